"""SGD, with and without momentum."""

from ftspec.memory.optimizers.pieces import Updated
from ftspec.memory.optimizers.width import state_width, steps_on_parameters
from ftspec.plan.model import Plan


def states(updated: Updated) -> int:
    """The momentum, a clone of the first gradient (torch/optim/sgd.py, `_multi_tensor_sgd`), if there is any;
    dampening and Nesterov's momentum add nothing.
    """
    return (updated.plan.training.optimizer.momentum > 0) * updated.elements * state_width(updated.plan)


def temporaries(updated: Updated) -> int:
    """Unfused, torch adds the decay to copies of all gradients at once (`_multi_tensor_sgd`: `torch._foreach_add`)."""
    plan = updated.plan
    return steps_on_parameters(plan) * tensor_temporaries(plan, updated.elements)


def tensor_temporaries(plan: Plan, elements: int) -> int:
    """The decayed gradient of so many elements."""
    return (plan.training.optimizer.weight_decay > 0) * elements * state_width(plan)
