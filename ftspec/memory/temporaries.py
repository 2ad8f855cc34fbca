"""What comes and goes inside the optimizer's step."""

from ftspec.memory.deepspeed.engine import trained_of
from ftspec.memory.deepspeed.update import update_temporaries
from ftspec.memory.numbers import largest
from ftspec.memory.states import States
from ftspec.memory.step.frame import Frame
from ftspec.plan.model import DTYPE_BYTES, Plan


def optimizer_temporaries(frame: Frame, states: States, left: int) -> int:
    """Square roots of unfused Adam, or fp32 copies of 16-bit gradients beside a master copy; `left`: the gradients."""
    plan = frame.plan
    if plan.training.stack == "deepspeed":
        return update_temporaries(plan, trained_of(frame), left)
    return largest(_square_roots(plan, states), _gradient_copies(plan, states))


def _square_roots(plan: Plan, states: States) -> int:
    """Unfused AdamW keeps the square roots of all second moments at once (torch/optim/adamw.py,
    `_multi_tensor_adamw`: `exp_avg_sq_sqrt = torch._foreach_sqrt(device_exp_avg_sqs)`); a fused kernel keeps nothing.
    """
    optimizer = plan.training.optimizer
    if optimizer.fused or optimizer.kind not in ("adam", "adamw"):
        return 0
    return states.optimizer_states // 2


def _gradient_copies(plan: Plan, states: States) -> int:
    """The master copy is stepped with gradients of its own type: a copy where they were accumulated in 16 bits
    (megatron/core/optimizer/optimizer.py, `_copy_model_grads_to_main_grads`).
    """
    if plan.precision.master_parameters == "none" or DTYPE_BYTES[plan.precision.gradients] == 4:
        return 0
    return states.master_parameters
