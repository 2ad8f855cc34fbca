"""How many parameters a shape has: exactly, by component. Tied weights count once, buffers do not count.

The same numbers as the modules of transformers have; `tests/oracles/test_parameter_counts.py` holds them equal.
"""

from functools import cache
from typing import NamedTuple

from ftspec.catalog.attention_parameters import mixer_parameters
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import MoeShape


class LayerParameters(NamedTuple):
    """One layer's parameters.

    `attention` (or what stands in its place), `mlp` (dense), `shared_experts` and `routed_experts` hold matrices
    that tensor parallelism shards, and inside them a part that every tensor rank keeps whole:
    `attention_replicated` (output biases, query and key norms, the down-projections of latent attention,
    indexers), `mlp_replicated` (output biases and gates of dense MLP and shared experts) and `routed_replicated`
    (output biases of routed experts). `router` (with the projections to a latent size) and `norms` (with
    hyper-connections) are whole on every tensor rank.
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


class _Mlp(NamedTuple):
    """What follows attention in a layer."""

    dense: int = 0
    shared: int = 0
    routed: int = 0
    router: int = 0
    replicated: int = 0
    routed_replicated: int = 0


_NORM_VECTORS = {"rmsnorm": 1, "layernorm": 2, "layernorm_nobias": 1, "none": 0}


def _norm(shape: ModelShape) -> int:
    return _NORM_VECTORS[shape.norm] * shape.hidden_size


def _matrices(shape: ModelShape, width: int, hidden: int, bias: bool) -> tuple[int, int]:
    """One MLP of a width, gated or plain: its parameters, and its output bias among them."""
    inner = (2 if shape.mlp == "gated" else 1) * width
    output_bias = hidden if bias and width else 0
    return (inner + width) * hidden + (inner if bias else 0) + output_bias, output_bias


def layer_type(shape: ModelShape, layer: int) -> str:
    """The kind of layer `layer` (from 0)."""
    return shape.layer_types[layer] if shape.layer_types else "full_attention"


def has_experts(shape: ModelShape, layer: int) -> bool:
    """Whether layer `layer` (from 0) has routed experts."""
    moe = shape.moe
    if moe is None or layer in moe.dense_layers:
        return False
    if shape.single_purpose_layers:
        return layer_type(shape, layer) == "moe"
    return layer >= moe.first_k_dense_replace and (layer + 1) % moe.moe_layer_step == 0


def _has_indexer(shape: ModelShape, layer: int) -> bool:
    """`GlmMoeDsaConfig.indexer_types`: which layers run an indexer of their own."""
    indexer = shape.indexer
    return indexer is not None and max(layer - indexer.offset + 1, 0) % indexer.frequency == 0


def _dense_mlp(shape: ModelShape) -> _Mlp:
    dense, replicated = _matrices(shape, shape.intermediate_size, shape.hidden_size, shape.mlp_bias)
    if shape.per_layer_input is not None:
        extra = 2 * shape.hidden_size * shape.per_layer_input.width
        dense, replicated = dense + extra, replicated + extra
    return _Mlp(dense=dense, replicated=replicated)


def _expert_mlp(shape: ModelShape, moe: MoeShape) -> _Mlp:
    hidden = shape.hidden_size
    beside = _dense_mlp(shape) if moe.beside_dense else _Mlp()
    expert, expert_bias = _matrices(shape, moe.moe_intermediate_size, moe.latent_size or hidden, moe.expert_bias)
    shared, shared_replicated = _matrices(shape, moe.shared_intermediate_size, hidden, shape.mlp_bias)
    gate = hidden if moe.shared_expert_gate else 0
    router = hidden * moe.num_experts + (moe.num_experts if moe.router_bias else 0)
    router += hidden + moe.num_experts if moe.router_scale else 0
    if moe.latent_size:
        router += 2 * hidden * moe.latent_size + (hidden + moe.latent_size if shape.mlp_bias else 0)
    return _Mlp(
        dense=beside.dense,
        shared=shared + gate,
        routed=moe.num_experts * expert,
        router=router,
        replicated=beside.replicated + shared_replicated + gate,
        routed_replicated=moe.num_experts * expert_bias,
    )


def _norms(shape: ModelShape) -> int:
    norms = shape.norms_per_layer * _norm(shape)
    if shape.hyper_connections is not None:
        streams = shape.hyper_connections.streams
        mixing = (2 + streams) * streams
        norms += 2 * (mixing * streams * shape.hidden_size + mixing + 3)
    return norms


def _layer(shape: ModelShape, kind: str, experts: bool, indexer: bool) -> LayerParameters:
    attention, attention_replicated = mixer_parameters(shape, kind, indexer)
    if experts and shape.moe is not None:
        mlp = _expert_mlp(shape, shape.moe)
    elif shape.single_purpose_layers and kind != "mlp":
        mlp = _Mlp()
    else:
        mlp = _dense_mlp(shape)
    return LayerParameters(
        attention=attention,
        mlp=mlp.dense,
        shared_experts=mlp.shared,
        routed_experts=mlp.routed,
        router=mlp.router,
        norms=_norms(shape),
        attention_replicated=attention_replicated,
        mlp_replicated=mlp.replicated,
        routed_replicated=mlp.routed_replicated,
    )


@cache
def all_layer_parameters(shape: ModelShape) -> tuple[LayerParameters, ...]:
    """The parameters of every layer, in order."""
    kinds = [
        (layer_type(shape, layer), has_experts(shape, layer), _has_indexer(shape, layer))
        for layer in range(shape.num_hidden_layers)
    ]
    distinct = {kind: _layer(shape, *kind) for kind in set(kinds)}
    return tuple(distinct[kind] for kind in kinds)


def layer_parameters(shape: ModelShape, layer: int) -> LayerParameters:
    """The parameters of layer `layer`, counted from 0. Raises IndexError for a layer that is not there."""
    return all_layer_parameters(shape)[layer]


def embedding_parameters(shape: ModelShape) -> int:
    """The token embedding, with its norm, its projections to the hidden size and the per-layer tables."""
    width = shape.word_embed_proj_dim or shape.hidden_size
    total = shape.vocab_size * width + (_norm(shape) if shape.embedding_norm else 0)
    total += 2 * width * shape.hidden_size if shape.word_embed_proj_dim else 0
    if shape.per_layer_input is not None:
        part = shape.per_layer_input
        total += (part.vocab_size + shape.hidden_size) * shape.num_hidden_layers * part.width + part.width
    return total


def position_parameters(shape: ModelShape) -> int:
    """The learned position embedding (0 for rotary positions and ALiBi)."""
    if shape.position != "learned":
        return 0
    return (shape.max_position_embeddings + shape.extra_position_embeddings) * shape.hidden_size


def final_norm_parameters(shape: ModelShape) -> int:
    """The norm before the head, and what joins the streams of hyper-connections there."""
    total = _norm(shape) if shape.final_norm else 0
    if shape.hyper_connections is not None:
        streams = shape.hyper_connections.streams
        total += streams * streams * shape.hidden_size + streams + 1
    return total


def head_parameters(shape: ModelShape) -> int:
    """The output head; 0 (or its bias) where it is the input embedding."""
    width = shape.word_embed_proj_dim or shape.hidden_size
    weight = 0 if shape.tie_word_embeddings else shape.vocab_size * width
    return weight + (shape.vocab_size if shape.head_bias else 0)


@cache
def count_parameters(shape: ModelShape) -> int:
    """All parameters, tied weights once."""
    total = embedding_parameters(shape) + position_parameters(shape)
    total += final_norm_parameters(shape) + head_parameters(shape)
    return total + sum(layer.total for layer in all_layer_parameters(shape))


@cache
def active_parameters(shape: ModelShape) -> int:
    """The parameters that one token passes, embedding and head included: of the routed experts the chosen ones."""
    moe = shape.moe
    if moe is None:
        return count_parameters(shape)
    routed = sum(layer.routed_experts for layer in all_layer_parameters(shape))
    return count_parameters(shape) - routed // moe.num_experts * (moe.num_experts - moe.num_experts_per_tok)
