"""Findings as people read them in a terminal: what, where (underlined), why, what instead."""

from ftspec.core.finding import Finding, Severity
from ftspec.core.source import Span

_COLOURS = {Severity.ERROR: "31;1", Severity.WARNING: "33;1", Severity.NOTE: "36;1"}
_TAB = "    "
_WIDEST = 160
"""A longer line is shown around the marked place only."""


def _width(character: str) -> int:
    """Terminal columns of a character: 0 combining, 2 wide."""
    if character.isascii():
        return 1
    import unicodedata

    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _columns(text: str) -> int:
    return sum(_width(character) for character in text)


def _printable(text: str) -> str:
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text.replace("\t", _TAB)
    )


def _excerpt(line: str, span: Span) -> tuple[str, str]:
    """The source line and the underline below it. Lengths in terminal columns."""
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    end = max(end, start + 1)
    first = max(0, start - _WIDEST // 2) if len(line) > _WIDEST else 0
    shown = line[first : first + _WIDEST]
    before = _printable(line[first:start])
    marked = _printable(line[start : min(end, first + _WIDEST)])
    return _printable(shown), " " * _columns(before) + "^" * max(1, _columns(marked))


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def _place(lines: list[str], path: str, span: Span, gutter: str) -> list[str]:
    rendered = [f"{gutter}--> {path}:{span.line}:{span.column}"]
    if 0 < span.line <= len(lines):
        shown, underline = _excerpt(lines[span.line - 1], span)
        number = str(span.line).rjust(len(gutter))
        rendered += [f"{gutter} |", f"{number} | {shown}", f"{gutter} | {underline}"]
    return rendered


def render(finding: Finding, text: str, colour: bool = False) -> str:
    """One finding with its place in `text` (the file's content; "" where it could not be read)."""
    lines = text.split("\n")
    spans = [finding.span, *(related.span for related in finding.related)]
    gutter = " " * max(len(str(span.line)) for span in spans)
    head = _paint(f"{finding.severity}[{finding.code}]", _COLOURS[finding.severity], colour)
    rendered = [f"{head}: {finding.message}", *_place(lines, finding.path, finding.span, gutter)]
    for related in finding.related:
        rendered += [f"{gutter} = {related.message}", *_place(lines, finding.path, related.span, gutter)]
    if finding.help:
        rendered.append(f"{gutter} = help: {finding.help}")
    return "\n".join(rendered)


def summary(findings: list[Finding]) -> str:
    """`2 errors, 1 warning`, or "" for none."""
    counts = [(sum(finding.severity is severity for finding in findings), severity) for severity in Severity]
    return ", ".join(f"{count} {severity}{'s' * (count > 1)}" for count, severity in counts if count)
