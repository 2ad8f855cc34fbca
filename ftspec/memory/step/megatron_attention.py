"""Core attention as Megatron runs it through Transformer Engine: FlashAttention, cuDNN's fused kernel, or written
out.
"""

from ftspec.memory.step.attention import Heads
from ftspec.memory.step.form import Form
from ftspec.memory.step.megatron_context import context_attention
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import gradient, passed
from ftspec.memory.step.tape import Value


def core_attention(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """`TEDotProductAttention`; `--attention-backend auto` takes cuDNN's kernel, which keeps what FlashAttention keeps
    and reads the sequence-first layout as it is
    (transformer_engine/pytorch/attention/dot_product_attention/backends.py).
    """
    value = builder.contiguous(value)
    if builder.setting.attention == "eager":
        return _written_out(builder, query, key, value, heads)
    if builder.setting.attention == "sdpa":
        return _whole_heads(builder, context_attention(builder, query, key, value, heads))
    if heads.key_width == heads.value_width:
        return _sequence_first(builder, context_attention(builder, query, key, value, heads))
    return _padded(builder, query, key, value, heads)


def _padded(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """FlashAttention 2 has one width for all heads: narrower values are padded, and its output is cut again
    (dot_product_attention.py, `_pad_qkv_head_dim`).
    """
    wide = Heads(heads.query, heads.key, heads.key_width, heads.key_width)
    padded = Value(builder.rows * (heads.key * heads.key_width), value.width)
    padded = builder.record((value,), padded, (), gradient(0))
    mixed = _sequence_first(builder, context_attention(builder, query, key, padded, wide))
    cut = Value(builder.rows * (heads.query * heads.value_width), value.width)
    return builder.record((mixed,), cut, (), gradient(0))


def _whole_heads(builder: Builder, value: Value) -> Value:
    """Behind `a2a` the output is another tensor than the kernel's (megatron_context.py)."""
    if builder.setting.context_exchange != "a2a":
        return value
    copy = Value(Form(exchanged=value.elements.token), value.width)
    return builder.record((value,), Value(value.elements, value.width, view_of=copy), (), passed(0))


def _sequence_first(builder: Builder, value: Value) -> Value:
    """FlashAttention's output is batch-first: with several sequences a micro-batch it is laid out anew, and the
    kernel's own output is kept beside the copy (`FlashAttention.forward`: `output.transpose(0, 1).contiguous()`).
    """
    copy = Value(Form(mixed=value.elements.token), value.width)
    if "core_attn" in builder.setting.recomputed:
        return builder.contiguous(value)  # all that a checkpoint leaves of the attention
    return builder.record((value,), Value(value.elements, value.width, view_of=copy), (), passed(0))


def _written_out(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """`UnfusedDotProductAttention`: keys and values repeated, scores, a softmax kernel in the scores' type whose
    backward is in place, and the product with the values; kept are the repeated inputs and the probabilities.
    """
    rows, pairs, times = builder.rows, Form(pair=heads.query), heads.query // heads.key
    if times > 1:
        key = builder.record((key,), Value(rows * (heads.query * heads.key_width), key.width), (), gradient(0))
        value = builder.record((value,), Value(rows * (heads.query * heads.value_width), value.width), (), gradient(0))
    scores = builder.record((query, key), Value(pairs, builder.compute), (query, key), gradient(1), gradient(0))
    probabilities = Value(pairs, builder.compute)
    builder.record((scores,), probabilities, (probabilities,), passed(0))
    output = Value(rows * (heads.query * heads.value_width), builder.compute)
    builder.record((probabilities, value), output, (probabilities, value), gradient(1), gradient(0))
    return builder.contiguous(output)
