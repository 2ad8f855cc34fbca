"""The codes of syntax: what can be wrong with a text before it means anything."""

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule, declare
from ftspec.core.source import Span

MAXIMUM_DEPTH = 100
"""The greatest height of a tree. Whatever walks a tree may recurse: at three frames a level it stays
far below Python's limit of 1,000."""

_GOOD = "ft 1\nhardware { nodes = 16 }\n"


def _error(code: str, title: str, explanation: str, bad: str, good: str = _GOOD) -> Rule:
    return declare(code, Severity.ERROR, title, explanation, bad, good)


UNEXPECTED = _error(
    "FT010",
    "the text does not follow the grammar",
    "Something stands where the language does not allow it. The message says what could stand there.",
    "ft 1\nhardware { nodes = = 16 }\n",
)
NOT_CLOSED = _error(
    "FT011",
    "a bracket is opened and never closed",
    "Every `{`, `[` and `(` needs its closing bracket.",
    "ft 1\nhardware { nodes = 16\n",
)
NOT_OPENED = _error(
    "FT012",
    "a bracket is closed that was not opened",
    "A closing bracket needs an opening one of its kind before it.",
    "ft 1\nhardware { nodes = 16 } }\n",
)
NO_HEADER = _error(
    "FT013",
    "the text does not begin with `ft 1`",
    "The first words of a spec name the version of the language, so that old specs keep their meaning.",
    "hardware { nodes = 16 }\n",
)
UNKNOWN_VERSION = _error(
    "FT014",
    "the version of the language is not known",
    "This ftspec reads version 1 of the language.",
    "ft 7\nhardware { nodes = 16 }\n",
)
STRING_NOT_CLOSED = _error(
    "FT015",
    "a string is not closed",
    'A string begins and ends with `"` on one line. A line break inside it is written `\\n`.',
    'ft 1\nname = "r1-70b\n',
    'ft 1\nname = "r1-70b"\n',
)
UNKNOWN_ESCAPE = _error(
    "FT016",
    "an escape in a string is not known",
    'The escapes are `\\"`, `\\\\`, `\\n`, `\\t`, `\\r` and `\\uXXXX` with four hexadecimal digits.',
    'ft 1\nname = "C:\\runs"\n',
    'ft 1\nname = "C:\\\\runs"\n',
)
UNKNOWN_CHARACTER = _error(
    "FT017",
    "a character means nothing in the language",
    "Outside strings and comments a spec has words, numbers, and the marks `{ } [ ] ( ) = , .` and operators.",
    "ft 1\nhardware { nodes = 16; }\n",
)
MALFORMED_NUMBER = _error(
    "FT018",
    "a number is not well formed",
    "A number is digits, perhaps a fraction and an exponent, with its unit glued to it: 16, 0.5, 1e-5, 80GiB.",
    "ft 1\nhardware { nodes = 1_6 }\n",
)
TOO_DEEP = _error(
    "FT019",
    "brackets and operators stand too deep inside one another",
    f"At most {MAXIMUM_DEPTH} may: nobody can read more. Name a part with `let`.",
    f"ft 1\nhardware {{ nodes = {'(' * (MAXIMUM_DEPTH + 1)}16{')' * (MAXIMUM_DEPTH + 1)} }}\n",
)


def too_deep(span: Span) -> Finding:
    """The finding for what passes `MAXIMUM_DEPTH` at a place."""
    return TOO_DEEP.finding(
        f"more than {MAXIMUM_DEPTH} brackets and operators stand inside one another here",
        span,
        "name a part of it with `let`, or close the brackets that are open",
    )
