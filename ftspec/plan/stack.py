"""Who runs a job that does not say so and has no target that implies it."""

from ftspec.plan.model import Stack
from ftspec.spec.kinds import Auto
from ftspec.spec.model import Offload, Parallelism


def _more_than_one(*degrees: int | Auto | None) -> bool:
    return any(isinstance(degree, int) and degree > 1 for degree in degrees)


def default_stack(parallelism: Parallelism) -> Stack:
    """The simplest stack that the layout allows: Megatron for model parallelism, DeepSpeed for ZeRO, else DDP."""
    degrees = (
        parallelism.tensor,
        parallelism.pipeline,
        parallelism.context,
        parallelism.expert,
        parallelism.virtual_pipeline,
    )
    if _more_than_one(*degrees) or parallelism.sequence_parallel or parallelism.distributed_optimizer:
        return "megatron"
    if parallelism.zero_stage or (parallelism.offload or Offload()) != Offload():
        return "deepspeed"
    return "ddp"
