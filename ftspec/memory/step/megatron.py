"""Layers and ends as Megatron-Core runs them with Transformer Engine.

Sources: megatron/core/models/gpt/gpt_layer_specs.py (`get_gpt_layer_with_transformer_engine_spec`);
transformer_layer.py, attention.py and multi_latent_attention.py of megatron/core/transformer.
"""

from ftspec.memory.step.attention import Heads
from ftspec.memory.step.latent import latent_heads, megatron_latent_projections
from ftspec.memory.step.megatron_attention import core_attention
from ftspec.memory.step.megatron_experts import experts
from ftspec.memory.step.megatron_products import activated, fused_norm, gathered, norm_linear, row_linear
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, INDEX, gradient
from ftspec.memory.step.setting import Setting, Variant
from ftspec.memory.step.tape import Value


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
    with builder.part("core_attn"):
        mixed = core_attention(builder, query, key, values, heads)
    return row_linear(builder, mixed, shape.hidden_size)


def _projections(builder: Builder, value: Value, heads: Heads) -> tuple[Value, Value, Value]:
    widths = (heads.query * heads.key_width, heads.key * heads.key_width, heads.key * heads.value_width)
    joined = norm_linear(builder, value, builder.setting.shape.hidden_size, sum(widths))
    query, key, values = builder.split(joined, tuple(builder.rows * width for width in widths))
    if builder.setting.shape.qk_norm:
        query, key = _head_norm(builder, query, heads.query), _head_norm(builder, key, heads.key)
    if builder.setting.shape.position == "rope":
        return builder.scale(query), builder.scale(key), values
    return builder.contiguous(query), builder.contiguous(key), values


def _head_norm(builder: Builder, value: Value, heads: int) -> Value:
    """`q_layernorm` and `k_layernorm`: a fused norm of each head of a tensor that is laid out for it first."""
    value = builder.contiguous(value)
    return fused_norm(builder, value, value.elements, builder.rows * heads)


def mlp(builder: Builder, value: Value) -> Value:
    """`MLP` with its norm fused into the first product."""
    hidden, intermediate_size = builder.setting.shape.hidden_size, builder.setting.shape.intermediate_size
    width = -(-intermediate_size // builder.setting.tensor)
    parts = 1 if builder.setting.shape.mlp == "plain" else 2
    with builder.part("mlp"):
        inner = norm_linear(builder, value, hidden, parts * width)
        return row_linear(builder, activated(builder, inner, builder.rows, width), hidden)


def layer(setting: Setting, variant: Variant) -> tuple[Builder, Value, Value]:
    """`TransformerLayer`: its tape, its input and its output, both along the sequence."""
    builder, hidden = Builder(setting, trained=False), setting.shape.hidden_size
    first = Value(builder.norm_rows * hidden, setting.compute)
    value = builder.add(first, attention(builder, first))
    inner = experts(builder, value) if variant.experts else mlp(builder, value)
    return builder, first, builder.add(value, inner)


def head(setting: Setting, vocabulary: int) -> tuple[Builder, Value, Value]:
    """Final norm, output layer and `vocab_parallel_cross_entropy` (megatron/core/tensor_parallel/cross_entropy.py): one
    fp32 copy of the logits becomes the softmax and then its gradient, in place; autograd casts that to the logits' type
    while the fp32 tensor is still there.
    """
    builder, hidden = Builder(setting, trained=False), setting.shape.hidden_size
    first = Value(builder.norm_rows * hidden, setting.compute)
    normal = fused_norm(builder, first, builder.norm_rows * hidden, builder.norm_rows)
    logits = Value(builder.rows * vocabulary, setting.compute, "logits")
    builder.record((normal,), logits, (normal,), *gathered(builder, hidden), gradient(0))
    losses, softmax = Value(builder.rows, FP32), Value(logits.elements, FP32, "logits")
    targets = Value(builder.rows, INDEX), Value(builder.rows, 1)
    builder.record((logits,), losses, (softmax, *targets), gradient(0))
    return builder, first, losses
