"""Texts to documents, for the tests of lowering."""

from ftspec.core.finding import Finding
from ftspec.core.source import COMMAND_LINE
from ftspec.spec.document import Document
from ftspec.spec.lower import lower
from ftspec.syntax.parser import parse


def lowered(text: str, *settings: str) -> tuple[Document, list[Finding]]:
    """The document of a text that parses, and what lowering finds."""
    tree, findings = parse(f"ft 1\n{text}")
    assert tree is not None, findings
    assert not findings
    return lower(tree, "job.ft", settings)


def clean(text: str, *settings: str) -> Document:
    """The document of a text without mistakes."""
    document, findings = lowered(text, *settings)
    assert findings == []
    return document


def only(text: str, *settings: str) -> Finding:
    """The one finding of a text."""
    _, findings = lowered(text, *settings)
    assert len(findings) == 1, findings
    return findings[0]


def pointed_at(finding: Finding, text: str, *settings: str) -> str:
    """What a finding of a one-line text or of its settings points at."""
    line = (
        settings[finding.span.line - 1]
        if finding.span.source == COMMAND_LINE
        else f"ft 1\n{text}".split("\n")[finding.span.line - 1]
    )
    assert finding.span.line == finding.span.end_line
    return line[finding.span.column - 1 : finding.span.end_column - 1]
