"""Transformer Engine's own Python modules on a machine without a GPU: its compiled kernels stand in for themselves by
making their outputs, in the sizes that the kernels make them, and nothing else.

What the modules keep for the backward pass, gather, cast and release is thereby the real thing; what a kernel uses
while it runs is not seen, but for FlashAttention's, whose sources say it.
"""

import enum
import os
import re
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

from packaging.version import Version

FOLDER = Path(sys.prefix) / "transformer-engine"
"""Where the wheel lies that is Transformer Engine's Python alone (Makefile; requirements/transformer_engine.txt)."""

FLASH_ATTENTION = Version("2.8.3")

ENUMERATIONS = {
    "DType": "kByte kInt32 kFloat32 kFloat16 kBFloat16 kFloat8E4M3 kFloat8E5M2 kFloat4E2M1",
    "NVTE_Fused_Attn_Backend": "NVTE_No_Backend NVTE_F16_arbitrary_seqlen NVTE_FP8",
    "FP8FwdTensors": (
        "GEMM1_INPUT GEMM1_WEIGHT GEMM1_OUTPUT GEMM2_INPUT GEMM2_WEIGHT GEMM2_OUTPUT GEMM3_INPUT GEMM3_WEIGHT "
        "GEMM3_OUTPUT"
    ),
    "FP8BwdTensors": "GRAD_OUTPUT1 GRAD_INPUT1 GRAD_OUTPUT2 GRAD_INPUT2 GRAD_OUTPUT3 GRAD_INPUT3",
}
"""Those of the extension that its Python mirrors member for member."""


class _Members:
    """An enumeration of which only the identity of the members matters."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def __getattr__(self, name: str) -> int:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.known.setdefault(name, len(self.known))


class Kernels(types.ModuleType):
    """A compiled module. What nobody gave it is an enumeration, a class, or a kernel that nothing stands in for."""

    __all__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def kernel(*_: Any, **__: Any) -> Any:
            raise NotImplementedError(f"the kernel {name} has no stand-in")

        made: Any = kernel
        if name.startswith("CommOverlap") and name != "CommOverlapType":
            made = type(name, (), {})
        elif name[0].isupper():
            made = _Members()
        setattr(self, name, made)
        return made


def _product(a: Any, trans_a: bool, b: Any, trans_b: bool, out: Any, *rest: Any, **_: Any) -> Any:
    """`generic_gemm`: `b` times `a`, into `out` if there is one (pytorch/csrc/extensions/gemm.cpp)."""
    import torch

    if out is None:
        from transformer_engine.pytorch.constants import DType, TE_DType_To_Torch

        left, right = tuple(a.size()), tuple(b.size())
        rows = (right[-1],) if trans_b else right[:-1]
        columns = left[0] if trans_a else left[-1]
        out = torch.empty((*rows, columns), dtype=TE_DType_To_Torch[DType.cast(rest[1])])
    bias, is_gradient = rest[2], rest[6]
    return out, torch.empty_like(bias) if is_gradient and bias is not None else None, None, None


def _quantized(value: Any, quantizer: Any, out: Any = None, *_: Any, **__: Any) -> Any:
    """`quantize` with one scale a tensor: the numbers as bytes, and where products need them their transpose
    (pytorch/csrc/quantizer.cpp, `Float8Quantizer::create_tensor`; a Hopper's products read rows alone).
    """
    import torch
    from transformer_engine.pytorch.tensor.float8_tensor import Float8Tensor
    from transformer_engine.pytorch.tensor.storage.float8_tensor_storage import Float8TensorStorage

    if out is not None:
        return out
    turned = (value.shape[-1], *value.shape[:-1])
    parts: dict[str, Any] = {
        "data": torch.empty(value.shape, dtype=torch.uint8) if quantizer.rowwise_usage else None,
        "data_transpose": torch.empty(turned, dtype=torch.uint8) if quantizer.columnwise_usage else None,
        "fp8_scale_inv": torch.empty(1),
        "fp8_dtype": quantizer.dtype,
        "quantizer": quantizer,
    }
    if quantizer.internal:
        return Float8TensorStorage(**parts, fake_dtype=value.dtype)
    return Float8Tensor(**parts, shape=value.shape, dtype=value.dtype, device=torch.device("cpu"))


def _empty_quantized(quantizer: Any, shape: Any, dtype: Any, *_: Any) -> Any:
    """`create_empty_quantized_tensor`: what `quantize` would write into."""
    import torch
    from transformer_engine.pytorch.constants import DType, TE_DType_To_Torch

    wide = dtype if isinstance(dtype, torch.dtype) else TE_DType_To_Torch[DType.cast(dtype)]
    return _quantized(torch.empty(shape, dtype=wide, device="meta"), quantizer)


def _split_and_quantized(value: Any, sizes: Any, quantizers: Any, *_: Any, **__: Any) -> list[Any]:
    """`split_quantize`: the rows of each expert by themselves."""
    parts = value.view(-1, value.shape[-1]).split([int(size) for size in sizes])
    return [_quantized(part, quantizer) for part, quantizer in zip(parts, quantizers, strict=True)]


def _turned(data: Any, *_: Any, out: Any = None) -> Any:
    return data.new_empty((data.shape[-1], *data.shape[:-1])) if out is None else out


def _attention_forward(*values: Any) -> Any:
    """`fused_attn_fwd` (pytorch/csrc/extensions/attention.cpp): the output in the layout of the query, and for the
    backward a number in fp32 for each row and head, and the state of the generator.
    """
    import torch

    query, _, value = _heads(values)[:3]
    sequence, batch, heads = query.shape[:3]
    statistics = query.new_empty((batch, heads, sequence, 1), dtype=torch.float32)
    return [query.new_empty((*query.shape[:-1], value.shape[-1])), statistics, torch.empty(2, dtype=torch.int64)]


def _attention_backward(*values: Any) -> Any:
    """`fused_attn_bwd`: three gradients, and none of a bias and of a softmax's offset."""
    import torch

    return [*(torch.empty_like(each) for each in _heads(values)[:3]), None, None]


def _heads(values: Any) -> list[Any]:
    """The tensors with heads among a kernel's arguments: queries, keys, values first."""
    return [each for each in values if hasattr(each, "dim") and each.dim() == 4]


def _norm_forward(vectors: int) -> Any:
    def forward(value: Any, *rest: Any) -> Any:
        import torch

        out = rest[vectors + 1]
        statistics = [torch.empty(value.shape[0], dtype=torch.float32) for _ in range(vectors)]
        normal, quantizer = torch.empty_like(value) if out is None else out, rest[vectors + 2]
        normal = normal if quantizer is None else _quantized(value, quantizer)
        return (normal, *([None] * (2 - vectors)), *statistics)

    return forward


def _norm_backward(vectors: int) -> Any:
    def backward(_: Any, value: Any, *rest: Any) -> Any:
        import torch

        return (torch.empty_like(value), *(torch.empty_like(rest[vectors]) for _ in range(vectors)))

    return backward


def _kernels() -> Kernels:
    import torch

    made = Kernels("transformer_engine_torch")
    text = "".join(path.read_text() for path in (FOLDER / "transformer_engine").rglob("*.py"))
    made.__all__ = sorted({"get_cudnn_version", *re.findall(r"\btex\.([a-z]\w+)", text)})
    for name, members in ENUMERATIONS.items():
        setattr(made, name, enum.IntEnum(name, {member: index for index, member in enumerate(members.split())}))
    given: dict[str, Any] = {
        "get_cublasLt_version": lambda: 130000,
        "get_cudnn_version": lambda: 92000,
        "get_num_cublas_streams": lambda: 4,
        "generic_gemm": _product,
        "te_general_grouped_gemm": lambda *values: values[7],  # the biases
        "quantize": _quantized,
        "fp8_transpose": _turned,
        "split_quantize": _split_and_quantized,
        "create_empty_quantized_tensor": _empty_quantized,
        "multi_tensor_l2norm": lambda *_: (torch.zeros(1), None),
        "rmsnorm_fwd": _norm_forward(1),
        "rmsnorm_bwd": _norm_backward(1),
        "layernorm_fwd": _norm_forward(2),
        "layernorm_bwd": _norm_backward(2),
        "fused_attn_fwd": _attention_forward,
        "fused_attn_bwd": _attention_backward,
        "fused_rope_forward": lambda value, *_: torch.empty(value.shape, dtype=value.dtype),
        "fused_rope_backward": lambda value, *_: torch.empty(value.shape, dtype=value.dtype),
        "scaled_upper_triang_masked_softmax_forward": lambda scores, *_: torch.empty_like(scores),
        "scaled_upper_triang_masked_softmax_backward": lambda upper, *_: upper,  # in place
    }
    for kernel in ("adam", "adam_fp8", "adam_param_remainder", "scale", "scale_tensor"):
        given[f"multi_tensor_{kernel}"] = lambda *_, **__: None
    given["fused_amax_and_scale_update_after_reduction"] = lambda *_: None
    for name, stand_in in given.items():
        setattr(made, name, stand_in)
    return made


def load() -> None:
    """Make `transformer_engine` importable: its wheel's Python over these kernels."""
    os.environ["NVTE_PROJECT_BUILDING"] = "1"
    os.environ["NVTE_FRAMEWORK"] = "none"
    sys.path.insert(0, str(FOLDER))
    sys.modules["transformer_engine_torch"] = _kernels()
    sys.modules["transformer_engine.pytorch.onnx_extensions"] = Kernels("onnx_extensions")  # needs onnxscript
    adding: Any = types.ModuleType("fused_weight_gradient_mlp_cuda")  # apex: adds to the main gradient
    adding.wgrad_gemm_accum_fp32 = adding.wgrad_gemm_accum_fp16 = lambda *_: None
    sys.modules[adding.__name__] = adding
    from importlib import import_module

    common: Any = import_module("transformer_engine.common")
    common.load_framework_extension = lambda *_: None
    import_module("transformer_engine.pytorch")
    attention = "transformer_engine.pytorch.attention.dot_product_attention"
    backends: Any = import_module(f"{attention}.backends")
    utils: Any = import_module(f"{attention}.utils")
    backends.fa_utils.version = FLASH_ATTENTION
    for name in [each for each in vars(backends.fa_utils) if re.fullmatch(r"v2(_\d+)*_plus", each)]:
        setattr(backends.fa_utils, name, True)
    backends.flash_attn_func = _flash_attention()
    backends._flash_attn_fwd, backends._flash_attn_bwd = _flash_forward, _flash_backward
    utils.get_attention_backend = _chosen_attention


def forget() -> None:
    """Drop what Transformer Engine keeps through the life of a process: each trace begins with none of it."""
    from importlib import import_module

    package = "transformer_engine.pytorch"
    chosen: Any = import_module(f"{package}.attention.dot_product_attention.dot_product_attention")
    chosen._attention_backends.update(backend_selection_requires_update=True, attention_params=None)
    for name in ("FLASH", "FUSED", "UNFUSED"):
        os.environ.pop(f"NVTE_{name}_ATTN", None)
    base: Any = import_module(f"{package}.module.base")
    base._dummy_wgrads.clear()
    gemm: Any = import_module(f"{package}.cpp_extensions.gemm")
    gemm.get_cublas_workspace.cache_clear()
    utils: Any = import_module(f"{package}.utils")
    utils._empty_tensor.cache_clear()


def _chosen_attention(_: Any) -> tuple[Any, ...]:
    """The kernel that `--attention-backend` asks for (megatron/core/models/common/language_module)."""
    flash, fused = (os.environ.get(f"NVTE_{name}_ATTN") == "1" for name in ("FLASH", "FUSED"))
    only_flash, unfused = flash and not fused, not flash and not fused
    return only_flash, FLASH_ATTENTION, fused, 1, unfused, None


def _flash_forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> tuple[Any, ...]:
    """`_flash_attn_forward`: the output, the log-sum-exp, nothing for the probabilities, the generator's state."""
    import torch

    statistics = query.new_empty((query.shape[0], query.shape[2], query.shape[1]), dtype=torch.float32)
    return query.new_empty((*query.shape[:-1], value.shape[-1])), statistics, None, torch.empty(2, dtype=torch.int64)


def _flash_backward(_: Any, query: Any, key: Any, value: Any, out: Any, statistics: Any, *__: Any, **___: Any) -> None:
    """`_flash_attn_backward` (csrc/flash_attn/flash_api.cpp, `mha_bwd`) writes where its caller says; it accumulates dq
    in fp32, has one number for each row and head, and where heads share keys one dk and dv for each query head.
    """
    import torch

    work = [torch.empty_like(query, dtype=torch.float32), torch.empty_like(statistics)]
    if query.shape[2] != key.shape[2]:
        shape = (key.shape[0], key.shape[1], query.shape[2])
        work += [each.new_empty((*shape, each.shape[3])) for each in (key, value)]
    del work


def _flash_attention() -> Any:
    """`flash_attn_func` (flash_attn/flash_attn_interface.py, `FlashAttnFunc`): kept are the inputs, the output and the
    log-sum-exp.
    """
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, query: Any, key: Any, value: Any) -> Any:
            out, statistics, *_ = _flash_forward(query, key, value)
            ctx.save_for_backward(query, key, value, out, statistics)
            return out

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            query, key, value, out, statistics = ctx.saved_tensors
            made = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
            _flash_backward(gradient, query, key, value, out, statistics)
            return made

    return lambda query, key, value, *_, **__: Function.apply(query, key, value)
