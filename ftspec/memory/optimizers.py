"""Bytes of optimizer state per updated element."""

from ftspec.plan.model import DTYPE_BYTES, Plan

_MOMENTS = {"adamw": 2, "adam": 2, "adamw_8bit": 2, "lion": 1, "muon": 1, "adafactor": 0, "sgd": 0}
"""Full-size moments of each optimizer: Adam's two (Kingma and Ba 2015), Lion's and Muon's momentum, SGD's if it has
momentum; Adafactor keeps a row and a column in place of a matrix (Shazeer and Stern 2018, section 3)."""

_STEP_COUNTER_BYTES = 4
"""torch/optim/adamw.py keeps an fp32 step counter for each tensor, on the device with `fused=True`."""

BLOCK_8BIT = 256
"""Elements that share an fp32 scale in 8-bit optimizers (bitsandbytes/optim/optimizer.py, blockwise, since 0.43)."""

_TORCH_STACKS = frozenset({"ddp", "fsdp2"})


def moments(plan: Plan) -> int:
    """How many full-size moments the optimizer keeps."""
    optimizer = plan.training.optimizer
    if optimizer.kind == "sgd":
        return 1 if optimizer.momentum else 0
    return _MOMENTS[optimizer.kind]


def state_bytes(plan: Plan, elements: int, tensors: int) -> int:
    """States of `elements` updated elements that lie in `tensors` tensors."""
    kind, count = plan.training.optimizer.kind, moments(plan)
    if plan.precision.optimizer_states == "int8":
        return count * (elements + 4 * (-(-elements // BLOCK_8BIT)))
    counters = (
        tensors * _STEP_COUNTER_BYTES if kind in ("adamw", "adam") and plan.training.stack in _TORCH_STACKS else 0
    )
    return count * elements * _state_width(plan) + counters


def _state_width(plan: Plan) -> int:
    """Moments are as wide as the plan says; those of adapters as wide as the adapters (`torch.zeros_like(p)`)."""
    method = plan.training.method
    return DTYPE_BYTES[method.adapter_dtype if method.kind in ("lora", "qlora") else plan.precision.optimizer_states]
