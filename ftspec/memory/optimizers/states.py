"""What an optimizer remembers of what it updates."""

from collections.abc import Callable, Mapping

from ftspec.memory.optimizers import adafactor, adam, adam_8bit, lion, muon, sgd
from ftspec.memory.optimizers.pieces import Updated
from ftspec.plan.model import Plan

_STATES: Mapping[str, Callable[[Updated], int]] = {
    "adam": adam.states,
    "adamw": adam.states,
    "sgd": sgd.states,
    "adamw_8bit": adam.states,
    "adafactor": adafactor.states,
    "lion": lion.states,
    "muon": muon.states,
}
_MOMENTS = {"adamw": 2, "adam": 2, "adamw_8bit": 2, "lion": 1, "muon": 1, "adafactor": 0}


def moments(plan: Plan) -> int:
    """How many numbers the optimizer keeps of each element of a large matrix of a layer."""
    optimizer = plan.training.optimizer
    return int(optimizer.momentum > 0) if optimizer.kind == "sgd" else _MOMENTS[optimizer.kind]


def state_bytes(updated: Updated) -> int:
    """Bytes of all states on the rank."""
    plan = updated.plan
    if plan.precision.optimizer_states == "int8":
        return adam_8bit.states(updated, moments(plan))
    return _STATES[updated.plan.training.optimizer.kind](updated)
