"""Trying changes to a job: whether everything accepts them, and the memory that they come to."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from ftspec.core.finding import Finding, Severity
from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import Plan, Stack
from ftspec.rules.changes import Changes, changed, written_out
from ftspec.rules.registry import plan_findings
from ftspec.rules.wording import gibibytes

TargetCheck = Callable[[Sequence[Plan]], Iterable[Finding]]


class Trial(NamedTuple):
    """Changes that nothing refuses, what the fullest GPU then needs on the fullest of the job's stacks, and the codes
    of warnings that the job did not have before.
    """

    changes: Changes
    peak_bytes: int
    fits: bool
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{written_out(self.changes)} ({gibibytes(self.peak_bytes)})"


class Bench:
    """Tries changes to a job. What is wrong with the job as it stands is not held against a change.

    A job of several stacks has one plan a stack; the changes are the same for all of them, and so is the bench.
    """

    def __init__(self, plan: Plan, stacks: tuple[Stack, ...] = (), targets: TargetCheck | None = None) -> None:
        self.plan = plan
        self.stacks: tuple[Stack, ...] = stacks or (plan.training.stack,)
        self._targets = targets
        self._trials: dict[tuple[tuple[str, object], ...], Trial | None] = {}

    @cached_property
    def peak_bytes(self) -> int:
        """What the fullest GPU needs as the job stands."""
        return self.estimated({}, self.plans({})).peak_bytes

    @cached_property
    def _known(self) -> set[tuple[object, ...]]:
        return set(map(_essence, self.findings(self.plans({}))))

    def plans(self, changes: Changes) -> list[Plan]:
        """The job's plans with the changes, one a stack."""
        stacks = (changes["training.stack"],) if "training.stack" in changes else self.stacks
        return [changed(self.plan, {**changes, "training.stack": stack}) for stack in stacks]

    def findings(self, plans: Sequence[Plan]) -> list[Finding]:
        """Errors and warnings of the rules and the targets."""
        found = [finding for plan in plans for finding in plan_findings(plan)]
        found += self._targets(plans) if self._targets else ()
        return [finding for finding in found if finding.severity is not Severity.NOTE]

    def _new(self, plans: Sequence[Plan]) -> list[Finding]:
        """What is wrong with changed plans and not with the plan itself."""
        return [finding for finding in self.findings(plans) if _essence(finding) not in self._known]

    def accepts(self, plans: Sequence[Plan]) -> bool:
        """Whether changed plans have nothing wrong that the plan itself has not."""
        return not self._new(plans)

    def estimated(self, changes: Changes, plans: Sequence[Plan]) -> Trial:
        """The memory of changed plans."""
        estimates = [estimate_memory(plan) for plan in plans]
        fits = all(estimate.verdict == "fits" for estimate in estimates)
        return Trial(changes, max(estimate.peak_bytes for estimate in estimates), fits)

    def tried(self, changes: Changes) -> Trial | None:
        """The trial of changes; None where something refuses them or warns of them."""
        trial = self.legal(changes)
        return trial if trial is not None and not trial.warnings else None

    def legal(self, changes: Changes) -> Trial | None:
        """The trial of changes, whatever warns of them; None where something refuses them."""
        key = tuple(changes.items())
        if key not in self._trials:
            self._trials[key] = self._trial(changes)
        return self._trials[key]

    def _trial(self, changes: Changes) -> Trial | None:
        plans = self.plans(changes)
        new = self._new(plans)
        if any(finding.severity is Severity.ERROR for finding in new):
            return None
        warnings = tuple(dict.fromkeys(finding.code for finding in new))
        return self.estimated(changes, plans)._replace(warnings=warnings)


def _essence(finding: Finding) -> tuple[object, ...]:
    """What makes a finding another one: an error's message, as the same code refuses many things; a warning's place,
    as its message says numbers that changes move.
    """
    said = finding.message if finding.severity is Severity.ERROR else finding.span
    return finding.code, said
