"""How wide what is trained is, and its gradients."""

from ftspec.plan.model import DTYPE_BYTES, Plan


def trained_width(plan: Plan) -> int:
    """Bytes of a trained parameter. Adapters have a type of their own, but DeepSpeed's engine casts every parameter to
    the model's (deepspeed/runtime/engine.py, `_cast_module_mixed_precision`).
    """
    return DTYPE_BYTES[plan.training.method.adapter_dtype if _own_type(plan) else plan.precision.parameters]


def gradient_width(plan: Plan) -> int:
    """Bytes of an accumulated gradient: autograd makes those of adapters as wide as these."""
    return trained_width(plan) if _own_type(plan) else DTYPE_BYTES[plan.precision.gradients]


def _own_type(plan: Plan) -> bool:
    return plan.training.method.kind in ("lora", "qlora") and "deepspeed" not in plan.training.stack
