"""What comes and goes inside the optimizer's step."""

from ftspec.memory.states import States
from ftspec.plan.model import Plan


def optimizer_temporaries(plan: Plan, states: States) -> int:
    """Unfused AdamW keeps the square roots of all second moments at once (torch/optim/adamw.py,
    `_multi_tensor_adamw`: `exp_avg_sq_sqrt = torch._foreach_sqrt(device_exp_avg_sqs)`); a fused kernel keeps nothing.
    """
    optimizer = plan.training.optimizer
    if optimizer.fused or optimizer.kind not in ("adam", "adamw"):
        return 0
    return states.optimizer_states // 2
