"""Memory that the process takes beyond its tensors."""

MIB = 2**20

CUDA_CONTEXT = 500 * MIB
NCCL = 600 * MIB


def framework_overhead(allocated: int, communicates: bool) -> int:
    """CUDA context, NCCL and allocator fragmentation."""
    return CUDA_CONTEXT + (NCCL if communicates else 0) + allocated * 4 // 100
