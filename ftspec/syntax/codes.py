"""The codes of syntax: what can be wrong with a text before it means anything."""

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule, declare
from ftspec.core.source import Span

MAXIMUM_DEPTH = 100
"""The greatest height of a tree. Whatever walks a tree may recurse: at three frames a level it stays
far below Python's limit of 1,000."""

MAXIMUM_FINDINGS = 20
"""After so many mistakes of syntax the rest of a text is not read: more would help nobody."""

_HEAD = 'ft 1\nmodel { from = "Qwen/Qwen2.5-0.5B" }\n'
_GOOD = f'{_HEAD}hardware {{ gpu = "H100-SXM5-80GB"  gpus_per_node = 8  nodes = 1 }}\n'


def _error(code: str, title: str, explanation: str, wrong: str | None = None, right: str = "nodes = 1") -> Rule:
    """A rule whose bad example is the good one with `wrong` in the place of `right`."""
    bad = "" if wrong is None else _GOOD.replace(right, wrong)
    return declare(code, Severity.ERROR, title, explanation, bad, _GOOD if bad else "")


EMPTY = _error("FT004", "there is nothing in the text", "A spec has at least its header, `ft 1`, and a model.")
UNEXPECTED = _error(
    "FT010",
    "the text does not follow the grammar",
    "Something stands where the language does not allow it. The message says what could stand there.",
    "nodes = * 1",
)
NOT_CLOSED = _error(
    "FT011",
    "a bracket is opened and never closed",
    "Every `{`, `[` and `(` needs its closing bracket. The finding stands where it is missed and names the other.",
    "nodes = (1",
)
NOT_OPENED = _error(
    "FT012",
    "a bracket is closed that was not opened",
    "A closing bracket needs an opening one of its kind before it.",
    "nodes = 1 } ",
)
NO_HEADER = _error(
    "FT013",
    "the text does not begin with `ft 1`",
    "The first words of a spec name the version of the language, so that old specs keep their meaning.",
    "",
    "ft 1\n",
)
UNKNOWN_VERSION = _error(
    "FT014",
    "the version of the language is not known",
    "This ftspec reads version 1 of the language.",
    "ft 7\n",
    "ft 1\n",
)
STRING_NOT_CLOSED = _error(
    "FT015",
    "a string is not closed",
    'A string begins and ends with `"` on one line. A line break inside it is written `\\n`.',
    'gpu = "H100-SXM5-80GB\n',
    'gpu = "H100-SXM5-80GB"',
)
UNKNOWN_ESCAPE = _error(
    "FT016",
    "an escape in a string is not known",
    'The escapes are `\\"`, `\\\\`, `\\n`, `\\t`, `\\r` and `\\uXXXX` with four hexadecimal digits of a character.',
    '"Qwen\\Qwen2.5-0.5B"',
    '"Qwen/Qwen2.5-0.5B"',
)
UNKNOWN_CHARACTER = _error(
    "FT017",
    "a character means nothing in the language",
    "Outside strings and comments a spec has words of the letters a to z, numbers, brackets, `=`, commas, points and "
    "operators.",
    "nodes = 1 @",
)
MALFORMED_NUMBER = _error(
    "FT018",
    "a number is not well formed",
    "A number is digits, perhaps a fraction and an exponent, with its unit glued to it: 16, 0.5, 1e-5, 80GiB.",
    "nodes = 1_0",
)
TOO_DEEP = _error(
    "FT019",
    "brackets and operators stand too deep inside one another",
    f"At most {MAXIMUM_DEPTH} may: nobody can read more. Name a part with `let`.",
    f"nodes = {'(' * (MAXIMUM_DEPTH + 1)}1{')' * (MAXIMUM_DEPTH + 1)}",
)
FOREIGN_MARK = _error(
    "FT020",
    "a mark from another language",
    "A value is given with `=`, statements need nothing between them, a comment begins with `#`, and the logical "
    "operators are the words `and`, `or` and `not`.",
    "nodes: 1",
)
FOREIGN_QUOTES = _error(
    "FT021",
    "a string in other quotes, or without",
    'Strings stand in straight double quotes: `"…"`. Names with points and paths are strings.',
    "gpu = 'H100-SXM5-80GB'",
    'gpu = "H100-SXM5-80GB"',
)
FOREIGN_BOOLEAN = _error(
    "FT022",
    "a truth value from another language",
    "The truth values are `true` and `false`.",
    "nodes = 1 } parallelism { sequence_parallel = False",
)
UNIT_APART = _error(
    "FT023",
    "a unit stands apart from its number",
    "A unit is part of its number and is glued to it: `80GB`.",
    "nodes = 1  gpu_memory = 80 GB",
)
NO_VALUE = _error(
    "FT024",
    "a key has no value",
    "After a key stands `= value` or a block in braces. What is not known yet can be left out.",
    "nodes =",
)
WRONG_PLACE = _error(
    "FT025",
    "a statement stands where it may not",
    "`import` and `variant` stand at the top of a file, `let`, `target` and `assert` there or in a variant; a block "
    "has keys and blocks.",
    "let x = 1",
)


def too_deep(span: Span) -> Finding:
    """The finding for what passes `MAXIMUM_DEPTH` at a place."""
    return TOO_DEEP.finding(
        f"more than {MAXIMUM_DEPTH} brackets and operators stand inside one another here",
        span,
        "name a part of it with `let`, or close the brackets that are open",
    )
