"""The weight tensors of a model, one by one, with how tensor and expert parallelism cut them.

Tensor by tensor, because DeepSpeed and FSDP2 shard and pad each tensor by itself, and because every matrix
product keeps and makes tensors of its weight's size. Names and shapes are those of transformers'
`models/*/modeling_*.py`; the totals equal `ftspec.catalog.parameters` (a test holds them together).
"""

from functools import cache
from typing import Literal

from ftspec.catalog.parameters import LayerParameters, has_experts, layer_parameters
from ftspec.catalog.shape import MlaShape, ModelShape, MoeShape
from ftspec.core.record import record
from ftspec.memory.step.code import code_of

Cut = Literal["tensor", "whole", "expert"]
"""How model parallelism divides a tensor: over the tensor group, not at all, or over the expert groups."""


@record
class Weight:
    """One parameter tensor before any sharding: its elements, how many rows they lie in (0: each is one), and whether
    tensor parallelism divides the rows.
    """

    name: str
    elements: int
    cut: Cut
    rows: int = 0
    cut_rows: bool = True


def norm_weights(shape: ModelShape, name: str, width: int) -> list[Weight]:
    """The learned vectors of one norm: RMSNorm has a scale, LayerNorm a scale and a bias."""
    vectors = {"rmsnorm": 1, "layernorm": 2, "layernorm_nobias": 1, "none": 0}[shape.norm]
    return [Weight(f"{name}.{part}", width, "whole") for part in ("weight", "bias")[:vectors]]


def _linear(
    name: str, inputs: int, outputs: int, bias: bool, cut: Cut = "tensor", bias_cut: Cut | None = None
) -> list[Weight]:
    weights = [Weight(f"{name}.weight", inputs * outputs, cut, outputs, cut_rows=bias_cut != "whole")]
    return [*weights, Weight(f"{name}.bias", outputs, bias_cut or cut)] if bias else weights


def _latent_attention(shape: ModelShape, mla: MlaShape) -> list[Weight]:
    hidden, heads = shape.hidden_size, shape.num_attention_heads
    query = heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim)
    if mla.q_lora_rank is None:
        weights = _linear("q_proj", hidden, query, False)
    else:
        weights = [
            *_linear("q_a_proj", hidden, mla.q_lora_rank, False, "whole"),
            Weight("q_a_layernorm.weight", mla.q_lora_rank, "whole"),
            *_linear("q_b_proj", mla.q_lora_rank, query, False),
        ]
    return [
        *weights,
        *_linear("kv_a_proj_with_mqa", hidden, mla.kv_lora_rank + mla.qk_rope_head_dim, False, "whole"),
        Weight("kv_a_layernorm.weight", mla.kv_lora_rank, "whole"),
        *_linear("kv_b_proj", mla.kv_lora_rank, heads * (mla.qk_nope_head_dim + mla.v_head_dim), False),
        *_linear("o_proj", heads * mla.v_head_dim, hidden, False),
    ]


def attention_weights(shape: ModelShape) -> list[Weight]:
    """The projections of attention, its biases, and the query and key norms."""
    if shape.mla is not None:
        return _latent_attention(shape, shape.mla)
    hidden, query = shape.hidden_size, shape.num_attention_heads * shape.head_dim
    key = shape.num_key_value_heads * shape.head_dim
    inner_bias, outer_bias = shape.attention_bias in ("all", "qkv_only"), shape.attention_bias in ("all", "out_only")
    asked = query * (2 if shape.attention_gate else 1)
    if code_of(shape).projections == "separate":
        inner = [("q_proj", asked), ("k_proj", key), ("v_proj", key)]
    else:
        inner = [("qkv_proj", asked + 2 * key)]
    weights = [weight for name, width in inner for weight in _linear(name, hidden, width, inner_bias)]
    weights += _linear("o_proj", query, hidden, outer_bias, bias_cut="whole")
    if shape.qk_norm:
        per_head = shape.qk_norm_width == "head"
        weights.append(Weight("q_norm.weight", shape.head_dim if per_head else query, "whole"))
        weights.append(Weight("k_norm.weight", shape.head_dim if per_head else key, "whole"))
    if shape.attention_sinks:
        weights.append(Weight("sinks", shape.num_attention_heads, "tensor"))
    return weights


def mlp_weights(shape: ModelShape, width: int, name: str = "mlp") -> list[Weight]:
    """A gated MLP has gate, up and down, some models gate and up in one; a plain one has up and down."""
    hidden, bias = shape.hidden_size, shape.mlp_bias
    if shape.mlp == "gated" and code_of(shape).fused_gate_up:
        inner = [("gate_up_proj", 2 * width)]
    else:
        inner = [("gate_proj", width)] * (shape.mlp == "gated") + [("up_proj", width)]
    return [
        *(weight for part, outputs in inner for weight in _linear(f"{name}.{part}", hidden, outputs, bias)),
        *_linear(f"{name}.down_proj", width, hidden, bias, bias_cut="whole"),
    ]


def expert_weights(shape: ModelShape, moe: MoeShape) -> list[Weight]:
    """Router, shared experts, and the routed experts as transformers 5 holds them: one tensor for all experts."""
    hidden, width = moe.latent_size or shape.hidden_size, moe.moe_intermediate_size
    inner = (2 if shape.mlp == "gated" else 1) * width
    weights = _linear("router", shape.hidden_size, moe.num_experts, moe.router_bias, "whole")
    if moe.shared_intermediate_size:
        weights += mlp_weights(shape, moe.shared_intermediate_size, "shared_experts")
        weights += _linear("shared_expert_gate", shape.hidden_size, 1, False, "whole") if moe.shared_expert_gate else []
    weights.append(Weight("experts.gate_up_proj", moe.num_experts * hidden * inner, "expert", moe.num_experts))
    weights.append(Weight("experts.down_proj", moe.num_experts * width * hidden, "expert", moe.num_experts))
    if moe.expert_bias:
        weights.append(Weight("experts.gate_up_proj_bias", moe.num_experts * inner, "expert", moe.num_experts))
        weights.append(Weight("experts.down_proj_bias", moe.num_experts * hidden, "expert", moe.num_experts))
    return weights


@cache
def _layer(shape: ModelShape, experts: bool, counted: LayerParameters) -> tuple[Weight, ...]:
    norms = [
        weight
        for index in range(shape.norms_per_layer)
        for weight in norm_weights(shape, f"norm{index}", shape.hidden_size)
    ]
    if experts and shape.moe is not None:
        rest = expert_weights(shape, shape.moe)
    else:
        rest = mlp_weights(shape, shape.intermediate_size) if shape.intermediate_size else []
    listed = (*norms, *attention_weights(shape), *rest)
    return listed if _sums(listed) == _expected(counted) else _lumps(counted)


def _sums(weights: tuple[Weight, ...]) -> tuple[int, ...]:
    return tuple(
        sum(weight.elements for weight in weights if weight.cut == cut) for cut in ("whole", "expert", "tensor")
    )


def _expected(counted: LayerParameters) -> tuple[int, ...]:
    return (
        counted.replicated,
        counted.routed_experts,
        counted.total - counted.replicated - counted.routed_experts,
    )


def _lumps(counted: LayerParameters) -> tuple[Weight, ...]:
    """A layer whose tensors are not listed one by one (state-space, linear attention, indexers): its parts."""
    cut = {
        "mixer.weight": counted.attention - counted.attention_replicated,
        "mlp.weight": counted.mlp + counted.shared_experts - counted.mlp_replicated,
    }
    weights = [Weight(name, elements, "tensor") for name, elements in cut.items()]
    weights += [
        Weight("whole.weight", counted.replicated, "whole"),
        Weight("experts.weight", counted.routed_experts, "expert"),
    ]
    return tuple(weight for weight in weights if weight.elements)


def layer_weights(shape: ModelShape, layer: int) -> tuple[Weight, ...]:
    """The tensors of layer `layer`, counted from 0."""
    return _layer(shape, has_experts(shape, layer), layer_parameters(shape, layer))


@cache
def embedding_weights(shape: ModelShape, vocabulary: int) -> tuple[Weight, ...]:
    """The input embedding (and learned positions) for a padded vocabulary."""
    width = shape.word_embed_proj_dim or shape.hidden_size
    weights = [Weight("embed_tokens.weight", vocabulary * width, "tensor", vocabulary)]
    if shape.position == "learned":
        positions = shape.max_position_embeddings + shape.extra_position_embeddings
        weights.append(Weight("embed_positions.weight", positions * shape.hidden_size, "whole", positions))
    if shape.word_embed_proj_dim:
        weights.append(Weight("project_in.weight", width * shape.hidden_size, "whole", shape.hidden_size))
        weights.append(Weight("project_out.weight", width * shape.hidden_size, "whole", width))
    return (*weights, *(norm_weights(shape, "embed_norm", shape.hidden_size) if shape.embedding_norm else []))


@cache
def head_weights(shape: ModelShape, vocabulary: int, copy_of_tied: bool) -> tuple[Weight, ...]:
    """The final norm and the output head; a tied head only where its stage lacks the embedding (`copy_of_tied`)."""
    width = shape.word_embed_proj_dim or shape.hidden_size
    weights = norm_weights(shape, "norm", shape.hidden_size) if shape.final_norm else []
    if not shape.tie_word_embeddings or copy_of_tied:
        weights.append(Weight("lm_head.weight", vocabulary * width, "tensor", vocabulary))
    return (*weights, *([Weight("lm_head.bias", vocabulary, "tensor")] if shape.head_bias else []))
