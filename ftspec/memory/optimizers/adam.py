"""Adam and AdamW."""

from ftspec.memory.optimizers.pieces import Updated
from ftspec.memory.optimizers.width import state_width, steps_on_parameters
from ftspec.plan.model import Plan

STEP_COUNTER = 4
"""torch keeps an fp32 step counter for each tensor (torch/optim/adam.py, `_init_group`)."""


def moments_of(plan: Plan, elements: int, tensors: int) -> int:
    """Two moments of every element (Kingma and Ba 2015, algorithm 1), and torch's step counters, which lie on the
    device only where one kernel does all. FusedAdam of DeepSpeed and of Transformer Engine counts in Python.
    """
    on_device = steps_on_parameters(plan) and plan.training.optimizer.fused
    return 2 * elements * state_width(plan) + on_device * STEP_COUNTER * tensors


def states(updated: Updated) -> int:
    """The states of Adam for all that is updated."""
    return moments_of(updated.plan, updated.elements, updated.tensors)


def temporaries(updated: Updated) -> int:
    """Unfused, torch keeps the square roots of all second moments at once (torch/optim/adam.py, `_multi_tensor_adam`:
    `exp_avg_sq_sqrt = torch._foreach_sqrt(...)`), and before that, for the coupled decay of Adam, as many gradients. A
    fused kernel keeps nothing; Megatron always takes one.
    """
    return steps_on_parameters(updated.plan) * updated.elements * state_width(updated.plan)


def tensor_temporaries(plan: Plan, elements: int) -> int:
    """The same where torch steps one tensor after the other: of one tensor, the square root and its quotient by the
    bias correction (torch/optim/adam.py, `_single_tensor_adam`: `denom`), and Adam's decayed gradient.
    """
    optimizer = plan.training.optimizer
    decayed = optimizer.kind == "adam" and optimizer.weight_decay > 0
    return (3 if decayed else 2) * elements * state_width(plan)
