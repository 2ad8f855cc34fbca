"""What a step took: torch's own counters, and the driver's figure for the whole card.

Everything that calls CUDA is here, so that the rest runs without a GPU.
"""

import os
import subprocess
from typing import NamedTuple, Protocol


class Reading(NamedTuple):
    """Bytes at the peak: of tensors, of what the caching allocator holds, and of the process as the driver counts."""

    allocated: int
    reserved: int
    process: int


class Meter(Protocol):
    """Where a case runs, and how its memory is read."""

    device: str

    def reset(self) -> None:
        """Forget earlier peaks and give cached memory back."""

    def read(self) -> Reading:
        """The peaks since the last reset."""


def used_bytes(index: str | None = None) -> int:
    """Bytes that are in use on a card by the driver's count, other processes' included; 1 MiB is its grain."""
    chosen = index or os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0] or "0"
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", chosen]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) * 2**20


class CudaMeter:
    """The first GPU. `idle` is what the card had in use before this process touched it."""

    device = "cuda:0"

    def __init__(self, idle: int) -> None:
        self.idle = idle

    def reset(self) -> None:
        """Empty the cache, then count from here."""
        import gc

        import torch

        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def read(self) -> Reading:
        """The cache is not emptied in between, so what the driver counts now is the process's peak."""
        import torch

        torch.cuda.synchronize()
        return Reading(torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved(), used_bytes() - self.idle)
