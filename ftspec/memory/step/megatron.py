"""Layers and ends as Megatron-Core runs them with Transformer Engine: fused norms and projections, gradients of
weights added to the main gradients inside the product's kernel, collectives along the sequence.

Sources: megatron/core/models/gpt/gpt_layer_specs.py (`get_gpt_layer_with_transformer_engine_spec`),
transformer_engine/pytorch/module/layernorm_linear.py, Korthikanti et al. 2022, sections 4 and 5.
"""

from ftspec.catalog.shape import MoeShape
from ftspec.memory.step.attention import Heads
from ftspec.memory.step.form import Form
from ftspec.memory.step.latent import latent_heads, megatron_latent_projections
from ftspec.memory.step.megatron_attention import core_attention
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, INDEX, gradient
from ftspec.memory.step.setting import Setting, Variant
from ftspec.memory.step.tape import Step, Value


def _gathered(builder: Builder, features: int) -> tuple[Step, ...]:
    """The whole sequence of a tensor that is kept along the sequence, gathered for one product."""
    if not builder.setting.sequence_parallel:
        return ()
    return (Step("allocate", builder.rows * (features * builder.compute)),)


def norm_linear(builder: Builder, value: Value, inputs: int, outputs: int) -> Value:
    """`TELayerNormColumnParallelLinear`: keeps its input and the normalized input, both along the sequence."""
    normal = Value(builder.norm_rows * inputs, builder.compute)
    saved = (value, normal, Value(builder.norm_rows, FP32))
    steps = (*_gathered(builder, inputs), Step("allocate", builder.rows * (inputs * builder.compute)), gradient(0))
    return builder.record((value,), Value(builder.rows * outputs, builder.compute), saved, *steps)


def row_linear(builder: Builder, value: Value, outputs: int) -> Value:
    """`TERowParallelLinear`: keeps its input; its output is summed over the tensor group and cut along the sequence."""
    result = Value(builder.norm_rows * outputs, builder.compute)
    return builder.record((value,), result, (value,), *_gathered(builder, outputs), gradient(0))


def _rotated(builder: Builder, value: Value) -> Value:
    """Fused rotary embedding: a new tensor, nothing kept but the model's frequencies."""
    return builder.scale(value)


def attention(builder: Builder, value: Value) -> Value:
    """`SelfAttention`: one product for queries, keys and values, rotary embedding, core attention, projection."""
    shape, setting = builder.setting.shape, builder.setting
    if shape.mla is not None:
        heads = latent_heads(setting)
        query, key, values = megatron_latent_projections(builder, value, heads)
    else:
        share = -(-shape.num_attention_heads // setting.tensor)
        heads = Heads(
            share,
            max(1, shape.num_key_value_heads // setting.tensor),
            shape.head_dim,
            shape.v_head_dim or shape.head_dim,
        )
        query, key, values = _projections(builder, value, heads)
    return row_linear(builder, core_attention(builder, query, key, values, heads), shape.hidden_size)


def _projections(builder: Builder, value: Value, heads: Heads) -> tuple[Value, Value, Value]:
    widths = (heads.query * heads.key_width, heads.key * heads.key_width, heads.key * heads.value_width)
    joined = norm_linear(builder, value, builder.setting.shape.hidden_size, sum(widths))
    query, key, values = builder.split(joined, tuple(builder.rows * width for width in widths))
    values = builder.contiguous(values)
    query, key = _head_norm(builder, query, heads.query), _head_norm(builder, key, heads.key)
    if builder.setting.shape.position == "rope":
        return _rotated(builder, query), _rotated(builder, key), values
    return builder.contiguous(query), builder.contiguous(key), values


def _head_norm(builder: Builder, value: Value, heads: int) -> Value:
    """`q_layernorm` and `k_layernorm`: a fused norm of each head; its input, a part of the joined product, is kept."""
    if not builder.setting.shape.qk_norm:
        return value
    output = Value(value.elements, value.width)
    return builder.record((value,), output, (value, Value(builder.rows * heads, FP32)), gradient(0))


def _activated(builder: Builder, inner: Value, rows: Form, width: int) -> Value:
    """`bias_swiglu_impl` and its like: one kernel, its input is kept."""
    if builder.setting.shape.mlp == "plain":
        return builder.pointwise(inner)
    return builder.record((inner,), Value(rows * width, inner.width), (inner,), gradient(0))


def mlp(builder: Builder, value: Value, intermediate_size: int) -> Value:
    """`MLP` with its norm fused into the first product."""
    width = -(-intermediate_size // builder.setting.tensor)
    parts = 1 if builder.setting.shape.mlp == "plain" else 2
    inner = norm_linear(builder, value, builder.setting.shape.hidden_size, parts * width)
    return row_linear(builder, _activated(builder, inner, builder.rows, width), builder.setting.shape.hidden_size)


def _routed(builder: Builder, moe: MoeShape, normal: Value) -> Value:
    """`MoELayer` with the all-to-all dispatcher (megatron/core/transformer/moe/token_dispatcher.py): scores in fp32;
    the tokens of all ranks spread evenly, each copied for each of its experts; outputs weighed and returned.
    """
    setting, shape = builder.setting, builder.setting.shape
    hidden, width = moe.latent_size or shape.hidden_size, -(-moe.moe_intermediate_size // setting.expert_tensor)
    scores = builder.record((normal,), Value(builder.norm_rows * moe.num_experts, FP32), (normal,), gradient(0))
    weights = builder.softmax(scores)
    rows = builder.norm_rows * (moe.num_experts_per_tok * setting.expert_tensor)
    copies = builder.rearrange(normal, rows * hidden, rows)
    parts = 1 if shape.mlp == "plain" else 2
    inner = builder.record((copies,), Value(rows * (parts * width), builder.compute), (copies,), gradient(0))
    active = _activated(builder, inner, rows, width)
    output = builder.record((active,), Value(rows * hidden, builder.compute), (active,), gradient(0))
    back = Value(builder.norm_rows * hidden, builder.compute)
    return builder.record((output, weights), back, (output, Value(rows, INDEX)), gradient(0), gradient(1))


def _experts(builder: Builder, value: Value) -> Value:
    shape, moe = builder.setting.shape, builder.setting.shape.moe
    assert moe is not None
    normal = Value(builder.norm_rows * shape.hidden_size, builder.compute)
    builder.record((value,), normal, (value,), gradient(0))
    routed = _routed(builder, moe, normal)
    if not moe.shared_intermediate_size:
        return routed
    return builder.add(routed, mlp(builder, value, moe.shared_intermediate_size))


def layer(setting: Setting, variant: Variant) -> tuple[Builder, Value, Value]:
    """`TransformerLayer`: its tape, its input and its output, both along the sequence."""
    builder, hidden = Builder(setting, trained=False), setting.shape.hidden_size
    first = Value(builder.norm_rows * hidden, setting.compute)
    value = builder.add(first, attention(builder, first))
    inner = _experts(builder, value) if variant.experts else mlp(builder, value, setting.shape.intermediate_size)
    return builder, first, builder.add(value, inner)


def head(setting: Setting, vocabulary: int) -> tuple[Builder, Value, Value]:
    """Final norm, output layer and `vocab_parallel_cross_entropy` (megatron/core/tensor_parallel/cross_entropy.py): one
    fp32 copy of the logits becomes the softmax and then its gradient, in place; autograd casts that to the logits' type
    while the fp32 tensor is still there.
    """
    builder, hidden = Builder(setting, trained=False), setting.shape.hidden_size
    first = Value(builder.norm_rows * hidden, setting.compute)
    normal = Value(builder.norm_rows * hidden, setting.compute)
    builder.record((first,), normal, (first,), gradient(0))
    logits = Value(builder.rows * vocabulary, setting.compute, "logits")
    builder.record((normal,), logits, (normal,), *_gathered(builder, hidden), gradient(0))
    losses, softmax = Value(builder.rows, FP32), Value(logits.elements, FP32, "logits")
    targets = Value(builder.rows, INDEX), Value(builder.rows, 1)
    builder.record((logits,), losses, (softmax, *targets), gradient(0))
    return builder, first, losses
