"""How wide an optimizer's numbers are, and whose they are."""

from ftspec.plan.model import DTYPE_BYTES, Plan

_TORCH_STACKS = frozenset({"ddp", "fsdp2"})


def steps_on_parameters(plan: Plan) -> bool:
    """Whether the training script calls an optimizer on the model's own tensors, with nothing in between."""
    return plan.training.stack in _TORCH_STACKS


def state_width(plan: Plan) -> int:
    """Bytes of a number of the state: as wide as what is updated (`torch.zeros_like`), which is an adapter or its fp32
    master copy under LoRA, else as the plan says.
    """
    precision, method = plan.precision, plan.training.method
    if method.kind not in ("lora", "qlora"):
        return DTYPE_BYTES[precision.optimizer_states]
    master = precision.master_parameters == "fp32" and not steps_on_parameters(plan)
    return 4 if master else DTYPE_BYTES[method.adapter_dtype]
