"""Multi-head latent attention: queries, keys and values through their compressions (DeepSeek-V2, section 2.1)."""

from ftspec.memory.step.attention import Heads
from ftspec.memory.step.code import code_of
from ftspec.memory.step.megatron_products import column_linear, fused_norm, norm_linear, whole_linear
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import gradient, passed
from ftspec.memory.step.rotary import turned
from ftspec.memory.step.setting import Setting
from ftspec.memory.step.tape import Node, Value


def latent_heads(setting: Setting) -> Heads:
    """Every head has a key and a value of its own."""
    mla = setting.shape.mla
    assert mla is not None
    share = -(-setting.shape.num_attention_heads // setting.tensor)
    return Heads(share, share, mla.qk_nope_head_dim + mla.qk_rope_head_dim, mla.v_head_dim)


def _joined(builder: Builder, straight: Value, rotated: Value, width: int) -> Value:
    """`torch.cat` of the parts without and with position."""
    return builder.record(
        (straight, rotated), Value(builder.rows * width, straight.width), (), gradient(0), gradient(1)
    )


def latent_projections(builder: Builder, value: Value, heads: Heads) -> tuple[Value, Value, Value]:
    """`DeepseekV3Attention.forward` (transformers/models/deepseek_v3/modeling_deepseek_v3.py)."""
    shape, mla, rows = builder.setting.shape, builder.setting.shape.mla, builder.rows
    assert mla is not None
    source, width = value, shape.hidden_size
    if mla.q_lora_rank is not None:
        source = builder.norm(builder.linear("q_a_proj", value, width, mla.q_lora_rank), mla.q_lora_rank, rows)
        width = mla.q_lora_rank
    name = "q_proj" if mla.q_lora_rank is None else "q_b_proj"
    query = builder.linear(name, source, width, heads.query * heads.key_width)
    query_parts = (rows * (heads.query * mla.qk_nope_head_dim), rows * (heads.query * mla.qk_rope_head_dim))
    straight, turning = builder.split(query, query_parts)
    compressed = builder.linear("kv_a_proj_with_mqa", value, shape.hidden_size, mla.kv_lora_rank + mla.qk_rope_head_dim)
    latent, key_turning = builder.split(compressed, (rows * mla.kv_lora_rank, rows * mla.qk_rope_head_dim))
    latent = builder.norm(latent, mla.kv_lora_rank, rows)
    each = mla.qk_nope_head_dim + mla.v_head_dim
    wide = builder.linear("kv_b_proj", latent, mla.kv_lora_rank, heads.key * each)
    key, values = builder.split(wide, (rows * (heads.key * mla.qk_nope_head_dim), rows * (heads.key * mla.v_head_dim)))
    position, code = builder.setting.residual, code_of(shape)
    query = _joined(builder, straight, turned(builder, turning, position, code), heads.query * heads.key_width)
    key = _joined(builder, key, turned(builder, key_turning, position, code), heads.key * heads.key_width)
    return query, key, values


def megatron_latent_projections(builder: Builder, value: Value, heads: Heads) -> tuple[Value, Value, Value]:
    """`MLASelfAttention` (megatron/core/transformer/multi_latent_attention.py): a norm of its own, whose output the
    down-projections keep, along the sequence; the norms of the latents are fused into the up-projections, whose input
    is cut out of the joined keys and values; the fused rotary embedding turns queries in place and makes keys and
    values anew (megatron/core/fusions/fused_mla_yarn_rope_apply.py).
    """
    shape, mla, rows = builder.setting.shape, builder.setting.shape.mla, builder.rows
    assert mla is not None
    with builder.part("layernorm"):
        normal = fused_norm(builder, value, builder.norm_rows * shape.hidden_size, builder.norm_rows)
    wide = heads.query * heads.key_width
    if mla.q_lora_rank is None:
        query = column_linear(builder, normal, shape.hidden_size, wide)
    else:
        query = norm_linear(builder, whole_linear(builder, normal, mla.q_lora_rank), mla.q_lora_rank, wide)
    joined = whole_linear(builder, normal, mla.kv_lora_rank + mla.qk_rope_head_dim)
    sizes = (builder.norm_rows * mla.kv_lora_rank, builder.norm_rows * mla.qk_rope_head_dim)
    latent, turning = builder.split(joined, sizes)
    latent = builder.contiguous(latent)
    both = norm_linear(builder, latent, mla.kv_lora_rank, heads.key * (mla.qk_nope_head_dim + mla.v_head_dim))
    query = builder.record((query,), Value(query.elements, query.width, view_of=query), (), passed(0))
    key = Value(rows * (heads.key * heads.key_width), both.width)
    values = Value(rows * (heads.key * mla.v_head_dim), both.width)
    builder.nodes.append(Node((both, turning), key, (), (gradient(0), gradient(1)), (values,)))
    return query, key, values
