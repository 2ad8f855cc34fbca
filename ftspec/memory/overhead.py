"""Memory that the process takes beyond its tensors: named, each with its source in `facts.json`."""

from ftspec.memory.facts import fact
from ftspec.plan.model import ParallelismPlan, Plan


def cuda_context(plan: Plan) -> int:
    """The CUDA context, loaded kernels and library handles; none on a CPU."""
    if plan.hardware.accelerator.vendor == "cpu":
        return 0
    return fact("overhead", "cuda_context_bytes") + fact("overhead", "cublas_workspace_bytes")


def communicator_groups(layout: ParallelismPlan) -> int:
    """NCCL communicators of a rank: one for each axis that is larger than 1."""
    axes = (layout.tensor, layout.pipeline, layout.context, layout.data, layout.expert)
    return sum(degree > 1 for degree in axes)


def nccl(plan: Plan) -> int:
    """Channel buffers of the rank's communicators."""
    if plan.hardware.accelerator.vendor == "cpu":
        return 0
    return communicator_groups(plan.parallelism) * fact("overhead", "nccl_group_bytes")


def fragmentation(plan: Plan, allocated: int) -> int:
    """What the caching allocator reserves and cannot use at the peak."""
    if plan.hardware.accelerator.vendor == "cpu":
        return 0
    return allocated * fact("overhead", "fragmentation_per_mille") // 1000


def framework_overhead(plan: Plan, allocated: int) -> int:
    """All of it, for a rank whose tensors take `allocated` bytes."""
    return cuda_context(plan) + nccl(plan) + fragmentation(plan, allocated)
