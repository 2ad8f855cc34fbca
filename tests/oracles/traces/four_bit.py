"""Frozen 4-bit projections with the tensors of bitsandbytes' `Linear4bit`, on shapes alone.

bitsandbytes itself packs when a module moves to a GPU, and its CPU kernels are other ones. What is alive in a step is
the same here: the packed weight and its scales; in a product the unpacked matrix, for as long as the product lasts
(bitsandbytes/autograd/_functions.py, `MatMul4Bit`, and backends/cuda/ops.py, `gemm_4bit` for more than a few rows).
With bitsandbytes 0.50.2's own `matmul_4bit` in its place the peaks of three steps were the same to the byte.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

BLOCK = 64
SCALE_BLOCK = 256


class Packed(nn.Module):
    """A weight of half a byte an element, with a scale a block of 64; doubly quantized, scales of a byte, and an fp32
    scale for 256 of those, a table of 256 and an offset.
    """

    def __init__(self, weight: Tensor, sizes: tuple[int, int], double_quantization: bool) -> None:
        super().__init__()
        self.shape = torch.Size(sizes)
        elements = weight.numel()
        scales = -(-elements // BLOCK)
        packed = torch.empty((-(-elements // 2), 1), dtype=torch.uint8)
        self.weight = nn.Parameter(packed, requires_grad=False)
        kind = torch.uint8 if double_quantization else torch.float32
        self.register_buffer("absmax", torch.empty(scales, dtype=kind))
        self.register_buffer("code", torch.empty(16, dtype=torch.float32))
        self.double_quantization = double_quantization
        if double_quantization:
            self.register_buffer("nested_absmax", torch.empty(-(-scales // SCALE_BLOCK), dtype=torch.float32))
            self.register_buffer("nested_code", torch.empty(256, dtype=torch.float32))
            self.register_buffer("offset", torch.empty((), dtype=torch.float32))

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """`dequantize_4bit`: the scales in fp32 first, where they are quantized too."""
        if self.double_quantization:
            scales = torch.empty_like(self.absmax, dtype=torch.float32)
            scales += self.offset
        return torch.empty(self.shape, dtype=dtype)


class _Product(torch.autograd.Function):
    """`MatMul4Bit`: keeps nothing but what the module holds."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, packed: Packed, bias: Tensor | None) -> Tensor:
        ctx.packed = packed
        return nn.functional.linear(value, packed.unpacked(value.dtype), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return torch.matmul(gradient, ctx.packed.unpacked(gradient.dtype)), None, None


class FourBitLinear(nn.Linear):
    """`Linear4bit` with bf16 as compute type."""

    def __init__(self, linear: nn.Linear | Conv1D, double_quantization: bool) -> None:
        nn.Module.__init__(self)
        sizes = linear.weight.shape
        self.out_features, self.in_features = reversed(sizes) if isinstance(linear, Conv1D) else sizes
        self.packed = Packed(linear.weight, (self.out_features, self.in_features), double_quantization)
        self.bias = linear.bias

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The packed weight, where PEFT looks for the base's type and place."""
        return self.packed.weight

    def forward(self, value: Tensor) -> Tensor:
        """In bf16, and back to the input's type."""
        bias = None if self.bias is None else self.bias.to(torch.bfloat16)
        product: Tensor = _Product.apply(value.to(torch.bfloat16), self.packed, bias)
        return product.to(value.dtype)


def pack(model: nn.Module, double_quantization: bool) -> None:
    """Replace every `nn.Linear` and `Conv1D` but the output head; no class that is derived from them
    (transformers/integrations/bitsandbytes.py, `replace_with_bnb_linear`).
    """
    head = model.get_output_embeddings()  # type: ignore[operator]
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) in (nn.Linear, Conv1D) and child is not head:
                setattr(module, name, FourBitLinear(child, double_quantization))
