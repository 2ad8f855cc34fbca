"""Specs in, findings out: the whole check of a text, for tests of rules."""

from typing import Any

from ftspec.core.finding import Edit, Finding
from ftspec.pipeline import check_text
from ftspec.plan.model import Plan
from ftspec.rules.example import job


def findings(**blocks: Any) -> dict[str, Finding]:
    """The findings of a small job (see `ftspec.rules.example.job`), by code; the first of each code."""
    found: dict[str, Finding] = {}
    for finding in check_text(job(**blocks), "job.ft").findings:
        found.setdefault(finding.code, finding)
    return found


def errors(**blocks: Any) -> set[str]:
    """The codes of a small job's errors."""
    return {code for code, finding in findings(**blocks).items() if finding.severity == "error"}


def plan_of(**blocks: Any) -> Plan:
    """The first plan of a small job."""
    return check_text(job(**blocks), "job.ft").jobs[0].plan


def pointed_at(text: str, finding: Finding) -> str:
    """The text that a finding points at (within one line)."""
    return text.splitlines()[finding.span.line - 1][finding.span.column - 1 : finding.span.end_column - 1]


def applied(text: str, edits: tuple[Edit, ...]) -> str:
    """A text with edits made, each within one line."""
    lines = text.splitlines(keepends=True)
    for edit in sorted(edits, key=lambda each: each.span, reverse=True):
        line = lines[edit.span.line - 1]
        lines[edit.span.line - 1] = line[: edit.span.column - 1] + edit.text + line[edit.span.end_column - 1 :]
    return "".join(lines)
