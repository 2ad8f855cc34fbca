"""What is wrong with text that is no token, and which token stands in for it."""

import re
from typing import NamedTuple

from ftspec.core.finding import Finding
from ftspec.core.source import Span
from ftspec.syntax.codes import MALFORMED_NUMBER, STRING_NOT_CLOSED, UNKNOWN_CHARACTER, UNKNOWN_ESCAPE

_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


class BadText(NamedTuple):
    """A stretch of `length` characters that is no token; parsing goes on as if `kind` stood there ("": nothing)."""

    length: int
    kind: str
    text: str
    finding: Finding


def read_bad_text(text: str, position: int, line: int, column: int) -> BadText:
    """Say what the text at a position is meant to be."""
    character = text[position]
    end = text.find("\n", position)
    rest = text[position : end if end >= 0 else len(text)]
    if character == '"':
        span = Span(line, column, line, column + len(rest))
        finding = STRING_NOT_CLOSED.finding('this string has no closing `"` on its line', span, 'close it with `"`')
        return BadText(len(rest), "STRING", rest[1:], finding)
    if character.isdigit():
        word = (re.match(r"[\w.]+", rest) or [character])[0]
        span = Span(line, column, line, column + len(word))
        finding = MALFORMED_NUMBER.finding(
            f"`{word}` is not a number", span, "write digits with the unit glued to them, as in 16, 0.5, 1e-5 or 80GiB"
        )
        return BadText(len(word), "NUMBER", "0", finding)
    span = Span(line, column, line, column + 1)
    return BadText(1, "", "", UNKNOWN_CHARACTER.finding(f"`{character}` means nothing here", span, "remove it"))


def unescape(raw: str, span: Span, findings: list[Finding]) -> str:
    """The value of a string between its quotes; an unknown escape is reported and kept as written."""
    if "\\" not in raw:
        return raw

    def replace(match: re.Match[str]) -> str:
        letter = match[1]
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if len(letter) == 5:
            return chr(int(letter[1:], 16))
        column = span.column + 1 + match.start()
        findings.append(
            UNKNOWN_ESCAPE.finding(
                f"`\\{letter}` is not an escape",
                Span(span.line, column, span.line, column + 2),
                "write `\\\\` for a backslash",
            )
        )
        return match[0]

    return re.sub(r"\\(u[0-9A-Fa-f]{4}|.)", replace, raw)
