"""Findings: what ftspec has to say about a spec. Every stage returns `(value, findings)`."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from ftspec.core.source import START, Span


class Severity(StrEnum):
    """How bad a finding is. Errors stop compilation; warnings do with `--strict`; notes never do."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Edit(NamedTuple):
    """Replace the text of `span` by `text`."""

    span: Span
    text: str


class Fix(NamedTuple):
    """A safe change that removes the finding."""

    description: str
    edits: tuple[Edit, ...]


class Related(NamedTuple):
    """A second place that a finding speaks of, such as the first of two duplicates."""

    message: str
    span: Span


class Finding(NamedTuple):
    """One diagnostic.

    `message` says what is wrong and why, `help` what to write instead. `path` is the file as the user
    named it; it is filled in by the pipeline where a stage does not know it.
    """

    code: str
    severity: Severity
    message: str
    span: Span = START
    help: str | None = None
    fix: Fix | None = None
    related: tuple[Related, ...] = ()
    path: str = ""


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding is an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)
