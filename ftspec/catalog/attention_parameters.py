"""Parameters of attention and of what stands in its place: one function a kind.

Each returns `(all, replicated)`: how many there are, and how many of them every tensor-parallel rank keeps
whole (output biases, norms inside attention, the down-projections of latent attention, indexers). The
formulas are those of transformers' `models/*/modeling_*.py`, named at each function.
"""

from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import (
    AttentionVariant,
    CompressedAttentionShape,
    IndexerShape,
    LinearAttentionShape,
    MambaShape,
    MlaShape,
)


def softmax_attention(shape: ModelShape, variant: AttentionVariant | None) -> tuple[int, int]:
    """Multi-head and grouped-query attention (`LlamaAttention`), with gates, sinks and query and key norms."""
    heads, groups, sinks = shape.num_attention_heads, shape.num_key_value_heads, shape.attention_sinks
    head, value_head = shape.head_dim, shape.v_head_dim or shape.head_dim
    if variant is not None:
        heads, groups, sinks = variant.num_attention_heads, variant.num_key_value_heads, variant.sinks
        head, value_head = variant.head_dim, variant.v_head_dim
    query, key = heads * head, groups * head
    value = 0 if variant is not None and variant.value_is_key else groups * value_head
    inner = query + key + value + (query if shape.attention_gate else 0)
    sharded = shape.hidden_size * (inner + heads * value_head)
    sharded += inner if shape.attention_bias in ("all", "qkv_only") else 0
    sharded += heads if sinks else 0
    replicated = shape.hidden_size if shape.attention_bias in ("all", "out_only") else 0
    if shape.qk_norm:
        replicated += 2 * head if shape.qk_norm_width == "head" else query + key
    return sharded + replicated, replicated


def latent_attention(shape: ModelShape, mla: MlaShape, indexer: IndexerShape | None) -> tuple[int, int]:
    """Multi-head latent attention (`DeepseekV3Attention`), with the indexer of `DeepseekV32Attention`."""
    hidden, heads = shape.hidden_size, shape.num_attention_heads
    biased = shape.attention_bias == "all"
    query_width = heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim)
    down = mla.kv_lora_rank + mla.qk_rope_head_dim
    replicated = hidden * down + mla.kv_lora_rank + (down + hidden if biased else 0)
    sharded = mla.kv_lora_rank * heads * (mla.qk_nope_head_dim + mla.v_head_dim) + heads * mla.v_head_dim * hidden
    if mla.q_lora_rank is None:
        sharded += hidden * query_width
    else:
        replicated += hidden * mla.q_lora_rank + mla.q_lora_rank + (mla.q_lora_rank if biased else 0)
        sharded += mla.q_lora_rank * query_width
    if indexer is not None and mla.q_lora_rank is not None:
        index = indexer.num_heads * indexer.head_dim
        replicated += mla.q_lora_rank * index + hidden * (indexer.head_dim + indexer.num_heads) + 2 * indexer.head_dim
    return sharded + replicated, replicated


def linear_attention(hidden: int, linear: LinearAttentionShape) -> tuple[int, int]:
    """Gated delta-rule attention (`Qwen3NextGatedDeltaNet`)."""
    key = linear.num_key_heads * linear.key_head_dim
    value = linear.num_value_heads * linear.value_head_dim
    projections = hidden * (2 * key + 2 * value + 2 * linear.num_value_heads) + value * hidden
    convolution = (2 * key + value) * linear.conv_kernel
    decay = 2 * linear.num_value_heads
    return projections + convolution + decay + linear.value_head_dim, linear.value_head_dim


def mamba(hidden: int, mamba: MambaShape) -> tuple[int, int]:
    """Mamba-2 (`NemotronHMamba2Mixer`)."""
    inner = mamba.num_heads * mamba.head_dim
    convolved = inner + 2 * mamba.num_groups * mamba.state_size
    projected = inner + convolved + mamba.num_heads
    total = hidden * projected + convolved * (mamba.conv_kernel + mamba.conv_bias) + inner * hidden
    total += 3 * mamba.num_heads + inner
    return total + (projected + hidden if mamba.bias else 0), hidden if mamba.bias else 0


def compressed_attention(shape: ModelShape, part: CompressedAttentionShape, layer_type: str) -> tuple[int, int]:
    """DeepSeek-V4's attention (`DeepseekV4Attention`, its compressors and its indexer)."""
    hidden, head, query = shape.hidden_size, shape.head_dim, shape.num_attention_heads * shape.head_dim
    sharded = part.q_lora_rank * query + part.output_lora_rank * query + shape.num_attention_heads
    sharded += part.output_groups * part.output_lora_rank * hidden
    replicated = hidden * part.q_lora_rank + part.q_lora_rank + hidden * head + head
    if layer_type == "heavily_compressed_attention":
        replicated += _compressor(hidden, head, part.heavy_rate, copies=1)
    elif layer_type == "compressed_sparse_attention":
        replicated += _compressor(hidden, head, part.sparse_rate, copies=2)
        replicated += _compressor(hidden, part.index_head_dim, part.sparse_rate, copies=2)
        replicated += part.q_lora_rank * part.index_num_heads * part.index_head_dim + hidden * part.index_num_heads
    return sharded + replicated, replicated


def _compressor(hidden: int, width: int, rate: int, copies: int) -> int:
    """Key-and-value and gate projections, a position bias for each token of an entry, and a norm."""
    return copies * width * (2 * hidden + rate) + width


def mixer_parameters(shape: ModelShape, layer_type: str, has_indexer: bool) -> tuple[int, int]:
    """Attention, or what stands in its place, in a layer of a kind; nothing in an MLP or MoE block."""
    if layer_type in ("mlp", "moe"):
        return 0, 0
    if layer_type == "linear_attention" and shape.linear_attention is not None:
        return linear_attention(shape.hidden_size, shape.linear_attention)
    if layer_type == "mamba" and shape.mamba is not None:
        return mamba(shape.hidden_size, shape.mamba)
    if shape.compressed_attention is not None:
        return compressed_attention(shape, shape.compressed_attention, layer_type)
    if shape.mla is not None:
        return latent_attention(shape, shape.mla, shape.indexer if has_indexer else None)
    variant = shape.attention_variant
    return softmax_attention(shape, variant if variant is not None and variant.layer_type == layer_type else None)
