"""How wide an optimizer's numbers are, and whose they are."""

from ftspec.memory.trained_width import trained_width
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
    return 4 if master else trained_width(plan)


def keeps_remainders(plan: Plan) -> bool:
    """Whether Megatron's precision-aware optimizer steps: it reads gradients as they were accumulated, and beside bf16
    weights it keeps of the fp32 master copy the 16 bits that they lack
    (megatron/core/optimizer/optimizer_config.py, `store_param_remainders`; transformer_engine/pytorch/optimizers/
    fused_adam.py, `_initialize_state`). ftspec turns it on for narrow states.
    """
    precision = plan.precision
    narrow = precision.optimizer_states in ("bf16", "fp16") and precision.parameters != "fp32"
    return plan.training.stack == "megatron" and narrow and plan.parallelism.offload_optimizer == "none"


def master_width(plan: Plan) -> int:
    """Bytes that the master copy has of each element that is updated."""
    return 2 if keeps_remainders(plan) and plan.precision.parameters == "bf16" else 4
