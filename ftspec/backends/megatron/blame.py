"""Where a finding of this target points, and how such a rule is declared."""

from collections.abc import Callable, Iterator

from ftspec.backends.base import TargetOptions
from ftspec.core.finding import Finding
from ftspec.core.source import Span
from ftspec.plan.model import Plan

Check = Callable[[Plan, TargetOptions], Iterator[Finding]]


def blame(plan: Plan, target: TargetOptions, *paths: str) -> Span:
    """The first of some spec paths that was written, else the target's name: there is nothing else to point at."""
    for path in paths:
        if plan.given(path):
            return plan.where(path)
    return target.span
