"""LoRA by the real PEFT, on a model of shapes alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any
from unittest import mock

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from tests.oracles.traces.case import Case
from tests.oracles.traces.four_bit import FourBitLinear

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)


def attention_projections(model: nn.Module) -> list[str]:
    """The projections of the attention blocks, by their full names."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and _ATTENTION.search(name)
    ]


@contextmanager
def _modules_stay() -> Iterator[None]:
    """PEFT moves new adapters to their base's device with `Module.to`, which cannot swap fake tensors."""
    with mock.patch.object(nn.Module, "to", lambda module, *_, **__: module):
        yield


def _four_bit_forward(module: Any, value: Tensor) -> Tensor:
    """PEFT's forward beside a 4-bit base (peft/tuners/lora/bnb.py, `Linear4bit.forward`), which PEFT has only where
    bitsandbytes is. It asks whether a GPU's products are autocast; here it is the CPU's.
    """
    result = module.base_layer(value).clone()
    reads, writes, scaling = (each["default"] for each in (module.lora_A, module.lora_B, module.scaling))
    if torch.is_autocast_enabled("cpu"):
        return result + writes(reads(value)) * scaling
    output = writes(reads(value.to(reads.weight.dtype))) * scaling
    return result + output.to(result.dtype)


def _as_beside_four_bits(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, LoraLayer) and isinstance(module.base_layer, FourBitLinear):
            module.forward = MethodType(_four_bit_forward, module)


def adapted(model: Any, case: Case) -> Any:
    """The model with adapters in fp32 and everything else frozen."""
    targets: list[str] | str = case.lora_targets.split(",")
    if case.lora_targets == "attention":
        targets = attention_projections(model)
    elif case.lora_targets == "all":
        targets = "all-linear"
    config = LoraConfig(r=case.lora_rank, lora_alpha=2 * case.lora_rank, lora_dropout=0.0, target_modules=targets)
    with _modules_stay():
        wrapped = get_peft_model(model, config, autocast_adapter_dtype=False)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name and parameter.dtype != torch.float32:
            owner = wrapped.get_submodule(name.rpartition(".")[0])
            owner.weight = nn.Parameter(torch.empty(parameter.shape, dtype=torch.float32))
    _as_beside_four_bits(wrapped)
    return wrapped
