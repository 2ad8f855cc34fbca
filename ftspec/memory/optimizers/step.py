"""What an optimizer's step makes beside gradients and states."""

from collections.abc import Callable, Mapping

from ftspec.memory.optimizers import adafactor, adam, adam_8bit, lion, muon, sgd
from ftspec.memory.optimizers.pieces import Updated
from ftspec.plan.model import Plan

_TEMPORARIES: Mapping[str, Callable[[Updated], int]] = {
    "adam": adam.temporaries,
    "adamw": adam.temporaries,
    "sgd": sgd.temporaries,
    "adamw_8bit": adam_8bit.temporaries,
    "adafactor": adafactor.temporaries,
    "lion": lion.temporaries,
    "muon": muon.temporaries,
}
_IN_ONE_KERNEL = frozenset({"adam", "adamw", "sgd"})
"""Optimizers of which torch has a fused kernel that works in place."""


def works_in_place(plan: Plan) -> bool:
    """Whether the step makes nothing at all."""
    return plan.training.optimizer.fused and plan.training.optimizer.kind in _IN_ONE_KERNEL


def step_temporaries(updated: Updated) -> int:
    """The bytes at the highest moment of the step."""
    return _TEMPORARIES[updated.plan.training.optimizer.kind](updated)
