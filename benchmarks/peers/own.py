"""ftspec itself, as one tool among the others."""

from benchmarks.peers.tool import Figures, Tool, one_by_one
from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import Plan
from tests.memory.plans import states_of


def ask(plan: Plan) -> Figures:
    """The fullest stage's tensors at the peak, and the most that a stage holds as states."""
    total = max(stage.allocated_peak_bytes for stage in estimate_memory(plan).stages)
    return Figures(total, max(states.total for states in states_of(plan)))


OWN = Tool("ftspec", "ftspec", "every row", one_by_one(ask))
