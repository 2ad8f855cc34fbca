"""What Newton-Schulz takes beside gradient and momentum, in bytes: on DTensors, and in DeepSpeed.

python -m tests.oracles.muon_trace    JSON: two lists of [rows, columns, width, bytes], and the ranks of DTensors
"""

import json
import os
from collections.abc import Callable
from typing import Any
from unittest import mock

os.environ["TORCHDYNAMO_DISABLE"] = "1"
os.environ["DS_ACCELERATOR"] = "cpu"

import torch
import torch.distributed as dist
from deepspeed.runtime.zero.muon import original_muon
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore

RANKS = 8
MATRICES = ((1024, 4096), (4096, 1024), (1024, 1024), (512, 3584))
TYPES = (torch.bfloat16, torch.float32)


def _made(step: Callable[[], Any], *held: Any) -> int:
    tracker = MemTracker()
    tracker.track_external(*held)
    before = sum(kinds["Total"] for kinds in tracker.get_tracker_snapshot().values())
    with tracker:
        step()
    return sum(kinds["Total"] for kinds in tracker.get_tracker_snapshot("peak").values()) - before


def on_shards(rows: int, columns: int, dtype: torch.dtype) -> int:
    """torch's Muon on a matrix of FSDP2."""
    mesh = init_device_mesh("cpu", (RANKS,))
    with FakeTensorMode(allow_non_fake_inputs=True):
        layer = torch.nn.Linear(columns, rows, bias=False, dtype=dtype)
        fully_shard(layer, mesh=mesh)
        layer.weight.grad = torch.empty_like(layer.weight)
        optimizer = torch.optim.Muon(layer.parameters())
        optimizer.step()
        return _made(optimizer.step, layer, optimizer)


def of_deepspeed(rows: int, columns: int, dtype: torch.dtype) -> int:
    """DeepSpeed's `muon_update` as it runs on a GPU: in fp16."""
    fp16 = mock.patch.object(original_muon, "ns_compute_dtype", return_value=torch.float16)
    with FakeTensorMode(allow_non_fake_inputs=True), fp16:
        gradient, momentum = torch.empty(rows, columns, dtype=dtype), torch.empty(rows, columns, dtype=dtype)
        return _made(lambda: original_muon.muon_update(gradient, momentum), gradient, momentum)


def main() -> None:
    """Every matrix in both types."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=RANKS)
    cases = [(rows, columns, dtype) for rows, columns in MATRICES for dtype in TYPES]
    found = {
        run.__name__: [[rows, columns, dtype.itemsize, run(rows, columns, dtype)] for rows, columns, dtype in cases]
        for run in (on_shards, of_deepspeed)
    }
    print(json.dumps({**found, "ranks": RANKS}))


if __name__ == "__main__":
    main()
