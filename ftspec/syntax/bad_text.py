"""What is wrong with text that is no token, and which token stands in for it."""

import re
from typing import NamedTuple

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.core.rule import Rule
from ftspec.core.source import Span
from ftspec.syntax.codes import (
    FOREIGN_MARK,
    FOREIGN_QUOTES,
    MALFORMED_NUMBER,
    STRING_NOT_CLOSED,
    UNKNOWN_CHARACTER,
)
from ftspec.syntax.token import shortened

_CLOSING_QUOTES = {"'": "'", "`": "`", "“": "”“", "”": "”“", "„": "“”", "‘": "’‘", "’": "’‘", "«": "»", "＂": "＂"}
_LOOK_ALIKES = {
    **dict.fromkeys("–—−‐‑", ("MINUS", "-")),
    **dict.fromkeys("×·", ("PRODUCT_OPERATOR", "*")),
    "÷": ("PRODUCT_OPERATOR", "/"),
    "≤": ("COMPARATOR", "<="),
    "≥": ("COMPARATOR", ">="),
    "≠": ("COMPARATOR", "!="),
    "＝": ("EQUAL", "="),
    "，": ("COMMA", ","),
}
_MARKS = {
    "&&": ("AND", "and"),
    "||": ("OR", "or"),
    ":=": ("EQUAL", "="),
    "&": ("AND", "and"),
    "|": ("OR", "or"),
    "!": ("NOT", "not "),
    ";": ("", ""),
}
_WORDS_WITH_DIGITS = ("1f1b",)
_HELP = {
    "$": "an amount in dollars is written `100USD`; an environment variable cannot be read",
    "?": "a choice is written `if … then … else …`",
    "^": "multiply instead: there are no powers",
    "@": "remove it, or put the text in double quotes",
    "\\": "remove it: a statement may go on in the next line without a mark",
}


class BadText(NamedTuple):
    """A stretch of `length` characters that is no token.

    Parsing goes on as if a token `kind` with `text` stood there ("": none). `guess`: what was meant is
    not known. `stop`: nothing after it can be understood.
    """

    length: int
    kind: str
    text: str
    finding: Finding
    guess: bool = False
    stop: bool = False


def read_bad_text(text: str, position: int, line: int, column: int) -> BadText:
    """Say what the text at a position is meant to be."""
    end = text.find("\n", position)
    rest = text[position : end if end >= 0 else len(text)].rstrip("\r")
    character = rest[:1]
    if character == '"':
        return _string(rest, line, column)
    if character in _CLOSING_QUOTES:
        return _quotes(rest, line, column)
    if character == "/":
        return _slashes(rest, text[max(0, position - 80) : position], line, column)
    if character == ":" and rest[:2] != ":=":
        return _colon(rest, line, column)
    for mark, (kind, written) in _MARKS.items():
        if rest.startswith(mark):
            return _foreign(FOREIGN_MARK, mark, kind, written, Span(line, column, line, column + len(mark)))
    if character in _LOOK_ALIKES:
        kind, written = _LOOK_ALIKES[character]
        return _foreign(UNKNOWN_CHARACTER, character, kind, written, Span(line, column, line, column + 1))
    if character.isdigit():
        return _number(rest, line, column)
    if character.isalpha():
        return _word(rest, line, column)
    return _character(text[position], line, column)


def _string(rest: str, line: int, column: int) -> BadText:
    # Closing brackets at the end of the line are hardly part of the string.
    rest = rest.rstrip(" \t)]}") if rest.strip('" \t)]}') else rest
    span = Span(line, column, line, column + len(rest))
    finding = STRING_NOT_CLOSED.finding(
        'this string has no closing `"` on its line', span, 'close it with `"`; a line break inside is written `\\n`'
    )
    return BadText(len(rest), "STRING", rest[1:], finding, guess=True)


def _quotes(rest: str, line: int, column: int) -> BadText:
    closing = _CLOSING_QUOTES[rest[0]] + ('"' if rest[0] in "“”„" else "")
    end = next((index for index, character in enumerate(rest) if index and character in closing), None)
    if end is None:
        span = Span(line, column, line, column + len(rest))
        finding = STRING_NOT_CLOSED.finding(
            f"`{rest[0]}` begins a string that is not closed on its line", span, 'strings stand in double quotes: `"…"`'
        )
        return BadText(len(rest), "STRING", rest[1:], finding, guess=True)
    value = rest[1:end]
    span = Span(line, column, line, column + end + 1)
    straight = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    finding = FOREIGN_QUOTES.finding(
        'strings stand in straight double quotes: `"…"`',
        span,
        f"write `{shortened(straight)}`",
        Fix("use double quotes", (Edit(span, straight),)),
    )
    return BadText(end + 1, "STRING", value, finding)


def _slashes(rest: str, before: str, line: int, column: int) -> BadText:
    """`// …` or `/* … */`, comments elsewhere, or the division of integers: a single `/` is an operator."""
    if re.search(r"[\w)] *$", before) and re.match(r"// *[0-9(]", rest):
        span = Span(line, column, line, column + 2)
        finding = FOREIGN_MARK.finding("`//` is not in the language", span, "write `floor(a / b)`")
        return BadText(2, "PRODUCT_OPERATOR", "/", finding, guess=True)
    end = rest.find("*/", 2) + 2 if rest[1] == "*" else len(rest)
    open_end = end == 1
    length = len(rest) if open_end else end
    span = Span(line, column, line, column + 2)
    finding = FOREIGN_MARK.finding(f"a comment begins with `#`, not with `{rest[:2]}`", span, "write `#`")
    return BadText(length, "", "", finding, stop=open_end)


def _colon(rest: str, line: int, column: int) -> BadText:
    span = Span(line, column, line, column + 1)
    after = rest[1:].lstrip()
    if not after or after[0] == "#":
        finding = FOREIGN_MARK.finding(
            "`:` at the end of a line does not begin a block",
            span,
            "this looks like YAML; a block is written with braces: `hardware { nodes = 1 }`",
        )
        return BadText(1, "", "", finding, guess=True, stop=True)
    if after[0] == "{":
        fix = Fix("remove the `:`", (Edit(span, ""),))
        finding = FOREIGN_MARK.finding("a block has no `:` before its `{`", span, "remove the `:`", fix)
        return BadText(1, "", "", finding)
    fix = Fix("write `=`", (Edit(span, " ="),))
    return BadText(
        1, "EQUAL", "=", FOREIGN_MARK.finding("a value is given with `=`, not with `:`", span, "write `=`", fix)
    )


def _foreign(rule: Rule, mark: str, kind: str, written: str, span: Span) -> BadText:
    if not kind:
        fix = Fix(f"remove the `{mark}`", (Edit(span, ""),))
        finding = rule.finding(f"nothing stands between statements, no `{mark}` either", span, "remove it", fix)
        return BadText(len(mark), "", "", finding)
    fix = Fix(f"write `{written.strip()}`", (Edit(span, written),))
    finding = rule.finding(f"`{mark}` is not in the language", span, f"write `{written.strip()}`", fix)
    return BadText(len(mark), kind, written.strip(), finding)


def _number(rest: str, line: int, column: int) -> BadText:
    match = re.match(r"[\w.]+", rest)
    word = match[0] if match else rest[0]
    plain = re.sub(r"(?<=[0-9])_(?=[0-9])", "", word)
    span = Span(line, column, line, column + len(word))
    if word.lower() in _WORDS_WITH_DIGITS:
        return _foreign(MALFORMED_NUMBER, word, "NAME", word.lower(), span)
    if plain != word and re.fullmatch(r"[0-9]+(\.[0-9]+)?(e[0-9]+)?[A-Za-z]*", plain):
        help = f"write `{shortened(plain)}`"
        fix = Fix(help, (Edit(span, plain),))
        finding = MALFORMED_NUMBER.finding("numbers have no `_` between digits", span, help, fix)
        return BadText(len(word), "NUMBER", plain, finding)
    form = "digits with the unit glued to them, as in 16, 0.5, 1e-5 or 80GiB"
    help = f"write `{shortened(word)}0`" if re.fullmatch(r"[0-9]+\.", word) else f"write {form}"
    finding = MALFORMED_NUMBER.finding(f"`{shortened(word)}` is not a number", span, help)
    return BadText(len(word), "NUMBER", word, finding, guess=True)


def _word(rest: str, line: int, column: int) -> BadText:
    match = re.match(r"\w+", rest)
    word = match[0] if match else rest[0]
    finding = UNKNOWN_CHARACTER.finding(
        f"`{word[0]}` cannot stand in a name",
        Span(line, column, line, column + 1),
        "names are made of the letters a to z, digits and `_`; other text stands in double quotes",
    )
    return BadText(len(word), "NAME", word, finding, guess=True)


def _character(character: str, line: int, column: int) -> BadText:
    span = Span(line, column, line, column + 1)
    code = f"U+{ord(character):04X}"
    if character.isspace() or not character.isprintable():
        fix = Fix("write a space", (Edit(span, " "),))
        message = f"an invisible character ({code}) stands here"
        return BadText(1, "", "", UNKNOWN_CHARACTER.finding(message, span, "write a space, or remove it", fix))
    shown = f"`{character}`" if character.isascii() else f"`{character}` ({code})"
    finding = UNKNOWN_CHARACTER.finding(f"{shown} means nothing here", span, _HELP.get(character, "remove it"))
    return BadText(1, "", "", finding, guess=True)
