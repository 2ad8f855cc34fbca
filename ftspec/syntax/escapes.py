"""The escapes of strings."""

import re

from ftspec.core.finding import Finding
from ftspec.core.source import Span
from ftspec.syntax.codes import UNKNOWN_ESCAPE

_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
# NUL is text to nobody, and a half of a surrogate pair is no character.
_ESCAPE = r"\\(u(?!0000|[dD][89a-fA-F])[0-9A-Fa-f]{4}|.)"


def unescape(raw: str, span: Span) -> tuple[str, Finding | None]:
    """The value of what stands between a string's quotes.

    An unknown escape is kept as written; the first one is reported. `span` is that of the whole literal.
    """
    if "\\" not in raw:
        return raw, None
    unknown: list[re.Match[str]] = []

    def replace(match: re.Match[str]) -> str:
        letter = match[1]
        if len(letter) == 5:
            return chr(int(letter[1:], 16))
        if letter not in _ESCAPES:
            unknown.append(match)
        return _ESCAPES.get(letter, match[0])

    value = re.sub(_ESCAPE, replace, raw)
    return value, _finding(unknown[0], span) if unknown else None


def _finding(match: re.Match[str], span: Span) -> Finding:
    column = span.column + 1 + match.start()
    place = Span(span.line, column, span.line, column + 2)
    if match[1] == "u":
        help = "write `\\u` and the four hexadecimal digits of a character"
    else:
        help = "write `\\\\` for a backslash"
    return UNKNOWN_ESCAPE.finding(f"`{match[0]}` is not an escape", place, help)
