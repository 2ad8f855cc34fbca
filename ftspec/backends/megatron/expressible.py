"""Which shapes Megatron's GPT model can have: the features of a shape that pretrain_gpt.py has no switch for."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

from ftspec.backends.megatron.biases import biases_expressible, linear_biases
from ftspec.backends.megatron.routing import inexpressible_routing
from ftspec.backends.megatron.window import WINDOW_KINDS
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import MoeShape

_NORMS = {"layernorm_nobias": "layer norms without a bias", "none": "norms without parameters"}
_ACTIVATIONS = {"gated": ("silu",), "plain": ("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu2", "silu")}
"""Megatron's --swiglu gates with SiLU; its plain MLP has GELU or squared ReLU. A plain shape stated without
its activation carries the shape's default, silu, and gets GELU.
"""
CARRIED = frozenset({
    "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim",
    "vocab_size", "tie_word_embeddings", "max_position_embeddings", "mlp", "norm", "position", "attention_bias",
    "mlp_bias", "qk_norm", "sliding_window", "moe", "mla", "norms_per_layer", "qk_norm_width", "word_embed_proj_dim",
    "attention_sinks", "attention_gate", "v_head_dim", "hidden_act", "layer_types", "single_purpose_layers",
    "norm_epsilon", "rope_theta", "partial_rotary_factor", "rope_scaling", "model_type",
})  # fmt: skip
"""Fields of a shape that arguments carry or that are judged below; any other must have its default."""
CARRIED_EXPERTS = frozenset({
    "num_experts", "num_experts_per_tok", "moe_intermediate_size", "num_shared_experts", "shared_intermediate_size",
    "first_k_dense_replace", "router_bias", "moe_layer_step", "dense_layers", "expert_bias", "shared_expert_gate",
    "latent_size", "scoring_func", "score_correction_bias", "norm_topk_prob", "n_group", "topk_group",
    "routed_scaling_factor", "other_routing",
})  # fmt: skip
_WORDS = {
    "final_norm": "no final norm",
    "embedding_norm": "a norm behind the embedding",
    "head_bias": "a bias in the output head",
    "multipliers": "fixed factors on embedding, residuals, scores or logits",
    "parallel_residual": "attention and MLP side by side",
    "extra_position_embeddings": "position embeddings with an offset",
    "mamba": "Mamba layers",
    "beside_dense": "a dense MLP beside the experts",
    "router_scale": "a router that scales",
}


def inexpressible(shape: ModelShape) -> Iterator[str]:
    """What a shape has that Megatron has no switch for, as phrases; nothing for a shape that it can have."""
    yield from _norm_reasons(shape)
    if shape.position == "alibi":
        yield "ALiBi positions"
    if shape.hidden_act not in _ACTIVATIONS[shape.mlp]:
        yield f"{shape.mlp} MLPs with {shape.hidden_act}"
    if not biases_expressible(shape):
        yield "biases in " + " and ".join(name for name, has in linear_biases(shape).items() if has) + " only"
    if shape.word_embed_proj_dim not in (None, shape.hidden_size):
        yield "an embedding narrower than the hidden size"
    if shape.mla is not None and shape.mla.q_lora_rank is None:
        yield "latent attention without compressed queries, to which Megatron adds a norm"
    if shape.mla is None and shape.v_head_dim not in (None, shape.head_dim):
        yield "values narrower than keys"
    yield from dict.fromkeys(
        kind.replace("_", " ") + " layers" for kind in shape.layer_types if kind not in WINDOW_KINDS and kind != "mamba"
    )
    yield from _other_reasons(shape, CARRIED)
    if shape.moe is not None:
        yield from inexpressible_routing(shape.moe)
        yield from _other_reasons(shape.moe, CARRIED_EXPERTS)


def _norm_reasons(shape: ModelShape) -> Iterator[str]:
    if shape.norm in _NORMS:
        yield _NORMS[shape.norm]
    if shape.norms_per_layer != 2:
        yield f"{shape.norms_per_layer} norms a layer instead of 2"
    if shape.qk_norm and shape.qk_norm_width != "head":
        yield "query and key norms over all heads at once"


def _other_reasons(part: ModelShape | MoeShape, carried: frozenset[str]) -> Iterator[str]:
    for field in fields(part):
        value: Any = getattr(part, field.name)
        if field.name not in carried and field.default is not MISSING and value != field.default:
            yield _WORDS.get(field.name, field.name.replace("_", " "))
