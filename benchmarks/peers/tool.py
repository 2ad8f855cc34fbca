"""What every estimator is asked, ours too."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ftspec.plan.model import Plan


class Figures(NamedTuple):
    """Bytes on the fullest GPU. `total` is what the tool would have a user reserve; `states` are parameters, gradients
    and optimizer states. A tool that knows the states alone says the same number twice.
    """

    total: int
    states: int


Estimate = Callable[[Sequence[Plan]], list[Figures | None]]
"""Figures for each plan; None where the tool cannot express it. Raises ImportError where the tool is not installed."""


class Tool(NamedTuple):
    """An estimator: its name, the package whose version counts, what it covers, and how it is asked."""

    name: str
    package: str
    covers: str
    estimate: Estimate


def one_by_one(ask: Callable[[Plan], Figures | None]) -> Estimate:
    """An estimator that is asked for one plan at a time."""
    return lambda plans: [ask(plan) for plan in plans]
