"""Memory that the process takes beyond its tensors: named, each with its source in `facts.json`."""

from ftspec.memory.facts import fact
from ftspec.memory.numbers import largest
from ftspec.memory.shard import MEGATRON_STACKS
from ftspec.plan.model import ParallelismPlan, Plan, Stack

ALL_REDUCE_CONNECTIONS = 3
"""Peers that a rank receives from in one channel of an all-reduce: the one before it in the ring, and two in the tree
(nccl/src/graph/connect.cc, `connectRings` and `connectTrees`).
"""

STREAMS_APART = frozenset({"fsdp2"})
"""Stacks that allocate in streams of their own."""

FITTED = frozenset({"megatron_deepspeed"})
"""Stacks whose published runs took a share of their tensors more than the formulas say."""

NVLINK_CHANNELS = {"7": "nccl_channels_volta"}
"""By the first number of the compute capability, where the channels over NVLink are not today's."""

LARGE_WORKSPACE = ("9", "10", "12")
"""By the first number of the compute capability: Hopper and Blackwell, whose workspace is larger."""


def framework_overhead(plan: Plan, fixed: int, allocated: int, other_streams: int = 0) -> int:
    """All of it, for a rank whose tensors take `allocated` bytes. `fixed`: `fixed_overhead(plan)`, the same for all
    stages; `other_streams`: what the allocator keeps for streams other than the one in which the tensors peak.
    """
    if plan.hardware.accelerator.vendor == "cpu":
        return 0
    return fixed + other_streams + fragmentation(plan, allocated) + unmodelled(plan, allocated)


def fixed_overhead(plan: Plan) -> int:
    """What does not depend on the tensors: context, communicators, cuBLAS's workspace; none on a CPU."""
    if plan.hardware.accelerator.vendor == "cpu":
        return 0
    return outside_torch(plan) + cublas_workspace(plan)


def outside_torch(plan: Plan) -> int:
    """What nvidia-smi counts and torch's allocator does not: the CUDA context and the communicators' buffers."""
    if plan.hardware.accelerator.vendor == "cpu":
        return 0
    return fact("overhead", "cuda_context_bytes") + nccl(plan)


def cublas_workspace(plan: Plan) -> int:
    """cuBLAS's workspace, one for a handle and a stream (aten/src/ATen/cuda/CublasHandlePool.cpp,
    `getChosenWorkspaceSize`).
    """
    large = plan.hardware.accelerator.compute_capability.partition(".")[0] in LARGE_WORKSPACE
    return fact("overhead", "cublas_workspace_hopper_bytes" if large else "cublas_workspace_bytes")


def communicators(layout: ParallelismPlan, stack: Stack) -> int:
    """NCCL communicators of a rank: one for each axis that is larger than 1. Megatron has one more for the norm of the
    whole model's gradients and one for the two ends of a pipeline (megatron/core/parallel_state.py); Megatron-DeepSpeed
    has the world's and DeepSpeed's own of the data-parallel ranks besides (deepspeed/runtime/pipe/topology.py,
    `PipelineParallelGrid`).
    """
    axes = (layout.tensor, layout.pipeline, layout.context, layout.data, layout.expert)
    count = sum(1 * (degree > 1) for degree in axes)
    if stack in MEGATRON_STACKS:
        count = count + 1 * (layout.tensor * layout.pipeline > 1) + 1 * (layout.pipeline > 1)
    if stack == "megatron_deepspeed":
        count = count + 1 * (count > 0) + 1 * (layout.data > 1)
    return count


def nccl_channels(plan: Plan) -> int:
    """Channels of a communicator: by the links between a node's GPUs."""
    accelerator = plan.hardware.accelerator
    if "pcie" in accelerator.intra_node_name.lower():
        return fact("overhead", "nccl_channels_pcie")
    generation = accelerator.compute_capability.partition(".")[0]
    return fact("overhead", NVLINK_CHANNELS.get(generation, "nccl_channels_nvlink"))


def nccl(plan: Plan) -> int:
    """Buffers of the rank's communicators: for each channel and peer, one of each protocol (nccl/src/init.cc,
    `computeBuffSizes`).
    """
    one = nccl_channels(plan) * ALL_REDUCE_CONNECTIONS * fact("overhead", "nccl_connection_bytes")
    return communicators(plan.parallelism, plan.training.stack) * one


def fragmentation(plan: Plan, allocated: int) -> int:
    """What the caching allocator reserves and cannot use at the peak."""
    return allocated * fact("fragmentation_per_mille", plan.training.stack) // 1000


def unmodelled(plan: Plan, allocated: int) -> int:
    """What runs of a stack took beyond all that the formulas have: a fit, where there is one; 0 elsewhere."""
    stack = plan.training.stack
    return allocated * fact("unmodelled_per_mille", stack) // 1000 if stack in FITTED else 0


def other_streams(gathered: int, gradients: int, allocated: int, without_gradients: int) -> int:
    """FSDP2 gathers weights and makes the reduced gradients in streams of their own, and the allocator never gives a
    block of one stream to another (c10/cuda/CUDACachingAllocator.cpp, `BlockPool`): beside the main stream's peak,
    `without_gradients`, it holds room for the largest gather and for all reduced gradients
    (torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_all_gather` and `foreach_reduce`).
    """
    return gathered + largest(without_gradients + gradients - allocated, 0)
