"""FSDP2 as its users apply it: each layer by itself, then the root."""

from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from tests.oracles.distributed.case import Case, layers_of


def policy(case: Case) -> MixedPrecisionPolicy:
    """bf16 compute with an fp32 reduction where what is trained is fp32: everything, or PEFT's adapters."""
    if case.dtype == "fp32" or case.method == "lora":
        return MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    return MixedPrecisionPolicy()


def shard(model: Any, mesh: DeviceMesh, case: Case, layers: int) -> FSDPModule:
    """The model, sharded over the mesh; the mesh's own ranks are real numbers."""
    join = DeviceMesh._concatenate

    def joined(meshes: list[DeviceMesh]) -> DeviceMesh:
        with unset_fake_temporarily():
            return join(meshes)

    with mock.patch.object(DeviceMesh, "_concatenate", joined):
        for layer in layers_of(model, layers):
            fully_shard(layer, mesh=mesh, mp_policy=policy(case), reshard_after_forward=case.reshards)
        return fully_shard(model, mesh=mesh, mp_policy=policy(case))
