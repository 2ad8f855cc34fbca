"""How much main memory a pinned buffer takes."""

from ftspec.plan.model import Plan


def pinned(plan: Plan, size: int, pin: bool) -> int:
    """Bytes that a buffer takes: torch pins memory in blocks of powers of two (ATen/core/CachingHostAllocator.h,
    `allocate`: `PowerOf2Ceil`); nothing is pinned for a CPU (deepspeed/accelerator/cpu_accelerator.py).
    """
    if not pin or plan.hardware.accelerator.vendor == "cpu" or size <= 0:
        return size
    return int(1 << (size - 1).bit_length())
