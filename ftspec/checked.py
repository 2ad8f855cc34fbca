"""What a check knows in the end: documents, plans, memory, and the findings as people get them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.core.source import COMMAND_LINE
from ftspec.memory.estimate_model import MemoryEstimate
from ftspec.plan.model import Plan
from ftspec.rules.memory import FIT_CODES
from ftspec.spec.document import Document
from ftspec.syntax.reading import UNREADABLE_CODES

MOST_FINDINGS = 100
"""Findings of one file that are shown."""

MANY_FINDINGS = declare(
    "FT861",
    Severity.NOTE,
    "there are more findings than are shown",
    "A file with hundreds of mistakes usually has one cause. The line has the severity of the worst that is not shown.",
    "",
    "",
)
_SEVERITIES = list(Severity)


class Job(NamedTuple):
    """One plan of a spec (one a stack) and its memory."""

    plan: Plan
    memory: MemoryEstimate


class Checked(NamedTuple):
    """What a check knows of a spec. `texts` holds the sources that spans point into, by name.

    `whole`: whether every value was understood. Jobs of a spec with a refused value have another one in its place.
    """

    path: str
    texts: dict[str, str]
    document: Document | None
    jobs: tuple[Job, ...]
    findings: tuple[Finding, ...]
    whole: bool = False

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plan of each job."""
        return tuple(job.plan for job in self.jobs)

    @property
    def exit_code(self) -> int:
        """0 nothing wrong, 1 errors, 2 unreadable, 3 the only errors are that it does not fit."""
        errors = {finding.code for finding in self.findings if finding.severity is Severity.ERROR}
        if errors & UNREADABLE_CODES:
            return 2
        if errors - FIT_CODES:
            return 1
        return 3 if errors else 0


def checked(
    path: str,
    text: str,
    settings: Sequence[str],
    findings: list[Finding],
    document: Document | None = None,
    jobs: tuple[Job, ...] = (),
    whole: bool = False,
) -> Checked:
    """The result: each finding once (two stacks may find the same), in the order of the text, and not too many."""
    located = sorted(dict.fromkeys(_located(finding, path) for finding in findings), key=_order(path))
    texts = {path: text, COMMAND_LINE: "\n".join(settings)}
    return Checked(path, texts, document, jobs, tuple(_limited(located)), whole)


def _located(finding: Finding, path: str) -> Finding:
    return finding if finding.path else finding._replace(path=finding.span.source or path)


def _order(path: str) -> Callable[[Finding], tuple[object, ...]]:
    return lambda finding: (
        finding.path != path,
        finding.span[:2],
        _SEVERITIES.index(finding.severity),
        finding.code,
        finding.message,
    )


def _limited(findings: list[Finding]) -> list[Finding]:
    """The first findings; of more than anybody reads, one says how many there are, as severe as the worst of them."""
    rest = findings[MOST_FINDINGS:]
    if not rest:
        return findings
    worst = min((finding.severity for finding in rest), key=_SEVERITIES.index)
    many = MANY_FINDINGS.finding(f"{len(rest)} more findings are not shown", rest[0].span, "mend those above first")
    many = many._replace(severity=worst, path=rest[0].path)
    return [*findings[:MOST_FINDINGS], many]
