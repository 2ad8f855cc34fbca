"""What `memory` shows of a job: its estimate, what would lower its largest terms, and how it would be otherwise."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from ftspec.checked import Checked, Job
from ftspec.core.finding import Finding, Severity
from ftspec.pipeline import bench_of, check_text
from ftspec.reports.what_if_places import WHAT_IF, in_what_if, what_if_text
from ftspec.rules.advice import Advice, advise
from ftspec.rules.memory import FIT_CODES
from ftspec.rules.trials import Bench


class Otherwise(NamedTuple):
    """A spec with other settings: the texts that set them, what a check of it says, and the findings that are new.

    It is refused where an error is new; that it does not fit is an answer.
    """

    settings: tuple[str, ...]
    checked: Checked
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether its numbers would be those of a job that nothing can run."""
        return any(finding.severity is Severity.ERROR and finding.code not in FIT_CODES for finding in self.findings)

    def job_like(self, job: Job, stacks: Iterable[str]) -> Job | None:
        """The job that stands in the place of `job`, of a spec planned for `stacks`: that of its stack, else one of a
        stack that is new. None where the spec is refused, or nothing runs on the stack any more.
        """
        jobs = {each.plan.training.stack: each for each in self.checked.jobs}
        if self.refused or job.plan.training.stack in jobs:
            return None if self.refused else jobs[job.plan.training.stack]
        known = set(stacks)
        return next((each for stack, each in jobs.items() if stack not in known), None)


class JobReport:
    """One plan of a file. What takes time is worked out when it is asked for."""

    def __init__(self, path: str, job: Job, bench: Bench, what_if: Sequence[tuple[Otherwise, Job | None]] = ()) -> None:
        self.path, self.job, self.what_if = path, job, tuple(what_if)
        self._bench = bench

    @cached_property
    def advice(self) -> tuple[Advice, ...]:
        """What would lower the largest terms of the fullest stage."""
        return advise(self._bench, self.job.plan, self.job.memory)


def otherwise(result: Checked, settings: Sequence[str], more: Sequence[str], number: int = 1) -> Otherwise:
    """A file that was checked with `settings`, checked again with those of the n-th `--what-if`."""
    again = check_text(result.texts[result.path], result.path, [*settings, *more])
    known = {_essence(finding) for finding in result.findings}
    new = tuple(
        in_what_if(finding, len(settings), more, number) for finding in again.findings if _essence(finding) not in known
    )
    texts = {**again.texts, WHAT_IF: what_if_text(more, number)}
    return Otherwise(tuple(more), again._replace(texts=texts), new)


def _essence(finding: Finding) -> tuple[str, str]:
    """What makes a finding another one; a note that only tells other numbers is none."""
    return finding.code, "" if finding.severity is Severity.NOTE else finding.message


def job_reports(result: Checked, what_if: Sequence[Otherwise] = ()) -> list[JobReport]:
    """One report a job; none where a value is refused, as another one stands in its place."""
    if result.document is None or not result.jobs or not result.whole:
        return []
    bench = bench_of(result.document, result.plans[0])
    stacks = [plan.training.stack for plan in result.plans]
    return [
        JobReport(result.path, job, bench, [(each, each.job_like(job, stacks)) for each in what_if])
        for job in result.jobs
    ]
