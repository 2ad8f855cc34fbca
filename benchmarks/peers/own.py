"""ftspec itself, as one tool among the others."""

from collections.abc import Sequence

from benchmarks.peers.tool import Asked, Figures, Tool
from ftspec.memory.estimate import estimate_memory
from tests.memory.plans import states_of


def ask(asked: Asked) -> Figures:
    """The stage's tensors at the peak, and what it holds as states, gradients in full."""
    totals = [stage.allocated_peak_bytes for stage in estimate_memory(asked.plan).stages]
    states = [each.total for each in states_of(asked.plan)]
    if asked.stage is None:
        return Figures(max(totals), max(states))
    return Figures(totals[asked.stage], states[asked.stage])


def estimate(several: Sequence[Asked]) -> list[Figures | None]:
    """Figures for all of them."""
    return [ask(asked) for asked in several]


OWN = Tool("ftspec", "ftspec", "every row", estimate)
