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


class Asked(NamedTuple):
    """A plan, and the pipeline stage whose memory was measured; None is the fullest one."""

    plan: Plan
    stage: int | None = None


Estimate = Callable[[Sequence[Asked]], list[Figures | None]]
"""Figures for each plan; None where the tool cannot express it. Raises ImportError where the tool is not installed."""


class Tool(NamedTuple):
    """An estimator: its name, the package whose version counts, what it covers, and how it is asked."""

    name: str
    package: str
    covers: str
    estimate: Estimate


def of_the_fullest(ask: Callable[[Plan], Figures | None]) -> Estimate:
    """A peer that is asked for one plan at a time. Each speaks of the fullest GPU, by its own account one of the first
    stage, so a later stage cannot be asked for.
    """
    return lambda several: [None if asked.stage else ask(asked.plan) for asked in several]
