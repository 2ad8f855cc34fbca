"""How many parameters a shape has: exactly, by component. Formulas are those of the modules in
transformers' `models/*/modeling_*.py`; tied weights count once, buffers do not count.
"""

from functools import cache
from typing import NamedTuple

from ftspec.catalog.shape import MlaShape, ModelShape, MoeShape


class LayerParameters(NamedTuple):
    """One layer's parameters.

    `attention`, `mlp` (dense), `shared_experts` and `routed_experts` hold matrices that tensor parallelism
    shards, and inside them a part that every tensor rank keeps whole: `attention_replicated` (output biases,
    query and key norms, the down-projections of latent attention), `mlp_replicated` (output biases and gates
    of dense MLP and shared experts) and `routed_replicated` (output biases of routed experts). `router` and
    `norms` are whole on every tensor rank.
    """

    attention: int
    mlp: int
    shared_experts: int
    routed_experts: int
    router: int
    norms: int
    attention_replicated: int = 0
    mlp_replicated: int = 0
    routed_replicated: int = 0

    @property
    def total(self) -> int:
        """All of the layer's parameters, each counted once."""
        return self.attention + self.mlp + self.shared_experts + self.routed_experts + self.router + self.norms

    @property
    def replicated(self) -> int:
        """What every tensor-parallel rank keeps whole, outside the routed experts."""
        return self.attention_replicated + self.mlp_replicated + self.router + self.norms


_NORM_VECTORS = {"rmsnorm": 1, "layernorm": 2, "layernorm_nobias": 1, "none": 0}


def _norm(shape: ModelShape, width: int) -> int:
    return _NORM_VECTORS[shape.norm] * width


def _mla_attention(shape: ModelShape, mla: MlaShape) -> tuple[int, int]:
    hidden, heads = shape.hidden_size, shape.num_attention_heads
    query_width = heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim)
    replicated = hidden * (mla.kv_lora_rank + mla.qk_rope_head_dim) + mla.kv_lora_rank
    sharded = mla.kv_lora_rank * heads * (mla.qk_nope_head_dim + mla.v_head_dim) + heads * mla.v_head_dim * hidden
    if mla.q_lora_rank is None:
        sharded += hidden * query_width
    else:
        replicated += hidden * mla.q_lora_rank + mla.q_lora_rank
        sharded += mla.q_lora_rank * query_width
    return sharded + replicated, replicated


def _attention(shape: ModelShape) -> tuple[int, int]:
    if shape.mla is not None:
        return _mla_attention(shape, shape.mla)
    hidden, query = shape.hidden_size, shape.num_attention_heads * shape.head_dim
    key = value = shape.num_key_value_heads * shape.head_dim
    gate = query if shape.attention_gate else 0
    sharded = hidden * (query + gate + key + value) + query * hidden
    sharded += query + gate + key + value if shape.attention_bias in ("all", "qkv_only") else 0
    sharded += shape.num_attention_heads if shape.attention_sinks else 0
    replicated = hidden if shape.attention_bias in ("all", "out_only") else 0
    if shape.qk_norm:
        replicated += 2 * shape.head_dim if shape.qk_norm_width == "head" else query + key
    return sharded + replicated, replicated


def _mlp(shape: ModelShape, width: int, hidden: int, bias: bool) -> tuple[int, int]:
    inner = 2 if shape.mlp == "gated" else 1
    output_bias = hidden if bias else 0
    return (inner + 1) * hidden * width + (inner * width if bias else 0) + output_bias, output_bias


def has_experts(shape: ModelShape, layer: int) -> bool:
    """Whether layer `layer` (from 0) has routed experts."""
    moe = shape.moe
    return moe is not None and layer >= moe.first_k_dense_replace and (layer + 1) % moe.moe_layer_step == 0


def _moe_layer(shape: ModelShape, moe: MoeShape, attention: tuple[int, int], norms: int) -> LayerParameters:
    hidden = shape.hidden_size
    expert, expert_replicated = _mlp(shape, moe.moe_intermediate_size, moe.latent_size or hidden, moe.expert_bias)
    router = hidden * moe.num_experts + (moe.num_experts if moe.router_bias else 0)
    shared = shared_replicated = 0
    if moe.shared_intermediate_size:
        shared, shared_replicated = _mlp(shape, moe.shared_intermediate_size, hidden, shape.mlp_bias)
        gate = hidden if moe.shared_expert_gate else 0
        shared, shared_replicated = shared + gate, shared_replicated + gate
    return LayerParameters(
        attention[0], 0, shared, moe.num_experts * expert, router, norms, attention[1], shared_replicated, moe.num_experts * expert_replicated
    )


@cache
def _layer(shape: ModelShape, experts: bool) -> LayerParameters:
    attention = _attention(shape)
    norms = shape.norms_per_layer * _norm(shape, shape.hidden_size)
    if experts and shape.moe is not None:
        return _moe_layer(shape, shape.moe, attention, norms)
    mlp, mlp_replicated = _mlp(shape, shape.intermediate_size, shape.hidden_size, shape.mlp_bias)
    return LayerParameters(attention[0], mlp, 0, 0, 0, norms, attention[1], mlp_replicated)


def layer_parameters(shape: ModelShape, layer: int) -> LayerParameters:
    """The parameters of layer `layer`, counted from 0."""
    return _layer(shape, has_experts(shape, layer))


def embedding_parameters(shape: ModelShape) -> int:
    """The token embedding, with its norm and its projections to the hidden size where there are any."""
    width = shape.word_embed_proj_dim or shape.hidden_size
    projections = 2 * width * shape.hidden_size if shape.word_embed_proj_dim else 0
    return shape.vocab_size * width + projections + (_norm(shape, shape.hidden_size) if shape.embedding_norm else 0)


def position_parameters(shape: ModelShape) -> int:
    """The learned position embedding (0 for rotary positions and ALiBi)."""
    if shape.position != "learned":
        return 0
    return (shape.max_position_embeddings + shape.extra_position_embeddings) * shape.hidden_size


def final_norm_parameters(shape: ModelShape) -> int:
    """The norm before the head."""
    return _norm(shape, shape.hidden_size) if shape.final_norm else 0


def head_parameters(shape: ModelShape) -> int:
    """The output head; 0 (or its bias) where it is the input embedding."""
    width = shape.word_embed_proj_dim or shape.hidden_size
    return (0 if shape.tie_word_embeddings else shape.vocab_size * width) + (shape.vocab_size if shape.head_bias else 0)


@cache
def count_parameters(shape: ModelShape) -> int:
    """All parameters, tied weights once."""
    ends = embedding_parameters(shape) + position_parameters(shape) + final_norm_parameters(shape) + head_parameters(shape)
    return ends + sum(layer_parameters(shape, layer).total for layer in range(shape.num_hidden_layers))


@cache
def active_parameters(shape: ModelShape) -> int:
    """The parameters that one token passes: of the routed experts only the chosen ones."""
    if shape.moe is None:
        return count_parameters(shape)
    routed = sum(layer_parameters(shape, layer).routed_experts for layer in range(shape.num_hidden_layers))
    return count_parameters(shape) - routed // shape.moe.num_experts * (shape.moe.num_experts - shape.moe.num_experts_per_tok)
