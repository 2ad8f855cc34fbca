"""What comes and goes inside the optimizer's step."""

from ftspec.memory.facts import fact
from ftspec.memory.numbers import largest, smallest
from ftspec.memory.states import States
from ftspec.plan.model import DTYPE_BYTES, Plan


def optimizer_temporaries(plan: Plan, states: States) -> int:
    """Square roots of unfused Adam, or fp32 copies of 16-bit gradients beside a master copy."""
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
    (deepspeed/runtime/zero/stage_1_and_2.py, `step`: `single_grad_partition`; stage3.py, `_prepare_sub_group`: one
    sub-group at a time; megatron/core/optimizer/optimizer.py, `_copy_model_grads_to_main_grads`).
    """
    if plan.precision.master_parameters == "none" or DTYPE_BYTES[plan.precision.gradients] == 4:
        return 0
    if plan.training.stack == "deepspeed" and plan.parallelism.zero_stage == 3:
        return smallest(states.master_parameters, 4 * fact("deepspeed", "sub_group_elements"))
    return states.master_parameters
