"""Optimizers on the DTensors that FSDP2 makes of parameters, in a fake process group of four ranks.

python -m tests.oracles.sharded_optimizers    JSON: of each optimizer its states' local elements, or what stopped it
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers.optimization import Adafactor

RANKS = 4
SHAPE = (64, 32)

OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]] = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, fused=True),
    "sgd": lambda parameters: torch.optim.SGD(parameters, momentum=0.9),
    "muon": torch.optim.Muon,
    "adafactor of transformers": lambda parameters: Adafactor(
        parameters, lr=1e-3, scale_parameter=False, relative_step=False
    ),
    "adafactor of torch": lambda parameters: torch.optim.Adafactor(parameters, foreach=False),
    "adafactor of torch, foreach": lambda parameters: torch.optim.Adafactor(parameters, foreach=True),
}


def _local(value: Any) -> int:
    return (value.to_local() if isinstance(value, DTensor) else value).numel()


def states_of(name: str, layer: nn.Module) -> dict[str, int] | str:
    """Elements on this rank of each state after two steps, or the name of the exception."""
    parameters = list(layer.parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    try:
        optimizer = OPTIMIZERS[name](parameters)
        optimizer.step()
        optimizer.step()
    except (RuntimeError, NotImplementedError) as stopped:
        return type(stopped).__name__
    (state,) = optimizer.state.values()
    return {key: _local(value) for key, value in state.items() if isinstance(value, torch.Tensor)}


def main() -> None:
    """Every optimizer on one sharded matrix."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=RANKS)
    mesh = init_device_mesh("cpu", (RANKS,))
    found = {}
    for name in OPTIMIZERS:
        layer = nn.Linear(*reversed(SHAPE), bias=False)
        fully_shard(layer, mesh=mesh)
        found[name] = states_of(name, layer)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
