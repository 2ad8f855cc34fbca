"""What is traced: one rank's step of a real transformers model under torch's own parallelism."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from tests.oracles.traces.case import Case as StepCase


@dataclass(frozen=True)
class Case(StepCase):
    """A step on one rank of a layout.

    `dtype` fp32 is fp32 parameters and an fp32 reduction around bf16 products: by a mixed-precision policy where FSDP2
    shards, else by autocast. `accumulation`: micro-batches of a step; FSDP2 reduces after each of them, DDP after the
    last. `pipeline`: the stages under 1F1B, of which `stage` is traced. `reshards`: FSDP2's `reshard_after_forward` of
    the layers.
    """

    stack: Literal["fsdp2", "ddp"] = "fsdp2"
    data: int = 1
    tensor: int = 1
    sequence_parallel: bool = False
    pipeline: int = 1
    stage: int = 0
    accumulation: int = 1
    reshards: bool = True

    @property
    def ranks(self) -> int:
        """All ranks of the layout."""
        return self.data * self.tensor * self.pipeline

    @property
    def sharded(self) -> bool:
        """Whether FSDP2 shards the model."""
        return self.stack == "fsdp2" and self.data > 1


def layers_of(model: Any, count: int) -> nn.ModuleList:
    """The decoder layers: the first list of as many modules as the model has layers."""
    return next(each for each in model.modules() if isinstance(each, nn.ModuleList) and len(each) == count)


DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
