"""What a process takes beside its tensors, each part in a fresh process on idle cards.

    python -m benchmarks.gpu.overheads context      the CUDA context, and cuBLAS's workspaces
    python -m benchmarks.gpu.overheads nccl         one NCCL communicator over all cards, then a second

Each prints JSON. `measure_overheads` runs both.
"""

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.gpu.meter import used_bytes


def measure_overheads(gpus: int) -> dict[str, int]:
    """Bytes of each part by name; NCCL's only with two cards or more."""
    parts = ("context", "nccl") if gpus > 1 else ("context",)
    found: dict[str, int] = {}
    for part in parts:
        command = [sys.executable, "-m", "benchmarks.gpu.overheads", part]
        child = subprocess.run(command, capture_output=True, text=True, check=True)
        found |= json.loads(child.stdout.splitlines()[-1])
    return found


def context() -> dict[str, int]:
    """The driver's count less torch's, after a first tensor and after products forward and backward; workspaces are
    tensors of torch's allocator (aten/src/ATen/cuda/CublasHandlePool.cpp), one for each thread that multiplies.
    """
    idle = used_bytes()
    import torch

    def beside() -> int:
        torch.cuda.synchronize()
        return used_bytes() - idle - torch.cuda.memory_reserved()

    weight = torch.ones((1024, 1024), device="cuda", dtype=torch.bfloat16, requires_grad=True)
    bare = beside()
    held = torch.cuda.memory_allocated()
    with torch.no_grad():
        weight @ weight
    forward = torch.cuda.memory_allocated() - held
    (weight @ weight).sum().backward()
    weight.grad = None
    both = torch.cuda.memory_allocated() - held
    return {
        "cuda_context_bytes": bare,
        "cuda_context_after_products_bytes": beside(),
        "cublas_workspace_forward_bytes": forward,
        "cublas_workspaces_forward_and_backward_bytes": both,
    }


def nccl() -> dict[str, int]:
    """What the first card's use grows by with the first and the second communicator over all cards."""
    import torch
    from torch.multiprocessing.spawn import spawn

    gpus = torch.cuda.device_count()
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    results = torch.multiprocessing.get_context("spawn").SimpleQueue()
    spawn(_rank, args=(gpus, results), nprocs=gpus)
    found: dict[str, int] = results.get()
    return found


def _rank(rank: int, gpus: int, results: Any) -> None:
    import torch
    from torch import distributed

    torch.cuda.set_device(rank)
    tensor = torch.ones(2**24, device="cuda")
    distributed.init_process_group("nccl", rank=rank, world_size=gpus)

    def grown(group: Any, before: int) -> int:
        distributed.all_reduce(tensor, group=group)
        distributed.broadcast(tensor, 0, group=group)
        torch.cuda.synchronize()
        distributed.barrier(group)
        return used_bytes() - before if rank == 0 else 0

    before = used_bytes() if rank == 0 else 0
    first = grown(None, before)
    second = grown(distributed.new_group(list(range(gpus))), before + first)
    if rank == 0:
        results.put({"nccl_first_group_bytes": first, "nccl_second_group_bytes": second, "nccl_ranks": gpus})
    distributed.destroy_process_group()


if __name__ == "__main__":
    print(json.dumps({"context": context, "nccl": nccl}[sys.argv[1]]()))
