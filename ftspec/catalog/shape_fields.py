"""The shape that the fields of a `model` block state, alone or over a catalog row or a config.json."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

from ftspec.catalog.shape import MlaShape, ModelShape, MoeShape
from ftspec.spec.model import MixtureOfExperts, Model, MultiLatentAttention

DEFAULT_MAX_POSITION_EMBEDDINGS = 2**20
"""What a shape without a stated maximum may be trained at: in effect no limit."""

_NEEDED = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
_DEFAULTS = {
    "intermediate_size": 0,
    "tie_word_embeddings": False,
    "max_position_embeddings": DEFAULT_MAX_POSITION_EMBEDDINGS,
}
_NOT_SHAPE = {"from_", "moe", "mla"}


class ShapeProblem(NamedTuple):
    """Why the fields make no shape. `field` is the path below `model` that it is about, "" for the whole."""

    field: str
    message: str
    help: str


def _written(block: Model | MixtureOfExperts | MultiLatentAttention) -> dict[str, Any]:
    values = {each.name: getattr(block, each.name) for each in fields(block) if each.name not in _NOT_SHAPE}
    return {name: value for name, value in values.items() if value is not None}


def _first_of(values: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that is written: what a problem is about is what the user can see."""
    return next((name for name in names if name in values), names[-1])


def _missing(names: list[str], block: str) -> ShapeProblem:
    listed = ", ".join(names)
    help = f"give {listed}, or start from a model of the catalog with `from`"
    return ShapeProblem(block, f"the shape lacks {listed}", help)


def _stated_experts(written: MixtureOfExperts, base: MoeShape | None) -> MoeShape | ShapeProblem:
    values = _written(written)
    needed = ("num_experts", "num_experts_per_tok", "moe_intermediate_size")
    missing = [name for name in needed if name not in values] if base is None else []
    if missing:
        return _missing(missing, "moe")
    moe = MoeShape(**values) if base is None else replace(base, **values)
    if base is None or "num_shared_experts" in values or "moe_intermediate_size" in values:
        moe = replace(moe, shared_intermediate_size=moe.num_shared_experts * _shared_width(moe, base))
    if moe.num_experts_per_tok > moe.num_experts:
        return ShapeProblem(
            f"moe.{_first_of(values, 'num_experts_per_tok', 'num_experts')}",
            f"a token cannot pass {moe.num_experts_per_tok} of {moe.num_experts} experts",
            f"write at most num_experts_per_tok = {moe.num_experts}",
        )
    return moe


def _shared_width(moe: MoeShape, base: MoeShape | None) -> int:
    """Width of one shared expert: the row's where it differs from a routed expert's, else a routed expert's."""
    if base is None or not base.num_shared_experts:
        return moe.moe_intermediate_size
    width = base.shared_intermediate_size // base.num_shared_experts
    return moe.moe_intermediate_size if width == base.moe_intermediate_size else width


def _stated_latent(written: MultiLatentAttention, base: MlaShape | None) -> MlaShape | ShapeProblem:
    values = _written(written)
    needed = ("kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
    missing = [name for name in needed if name not in values] if base is None else []
    if missing:
        return _missing(missing, "mla")
    if base is None:
        return MlaShape(**{"q_lora_rank": None, **values})
    return replace(base, **values)


def _fill_heads(values: dict[str, Any], base: ModelShape | None, mla: MlaShape | None) -> ShapeProblem | None:
    """Fill in `num_key_value_heads` and `head_dim` where they follow from the others."""
    hidden = values.get("hidden_size", base.hidden_size if base else 0)
    heads = values.get("num_attention_heads", base.num_attention_heads if base else 0)
    if "num_key_value_heads" not in values and (base is None or base.num_key_value_heads == base.num_attention_heads):
        values["num_key_value_heads"] = heads
    follows = base is None or base.head_dim * base.num_attention_heads == base.hidden_size
    if mla is not None:
        values["head_dim"] = mla.qk_nope_head_dim + mla.qk_rope_head_dim
    elif "head_dim" not in values and follows:
        if hidden % heads:
            message = f"hidden_size {hidden} does not divide into {heads} heads"
            field = _first_of(values, "num_attention_heads", "hidden_size")
            return ShapeProblem(field, message, "give head_dim, or heads that divide hidden_size")
        values["head_dim"] = hidden // heads
    groups = values.get("num_key_value_heads", base.num_key_value_heads if base else 1)
    if heads % groups:
        message = f"{heads} query heads do not divide over {groups} key and value heads"
        field = _first_of(values, "num_key_value_heads", "num_attention_heads")
        right = f"a divisor of {heads}" if field == "num_key_value_heads" else f"a multiple of {groups}"
        return ShapeProblem(field, message, f"write {right}")
    return None


def _patterned(shape: ModelShape, base: ModelShape | None) -> ModelShape:
    """The shape with its pattern of layers cut, or repeated from its start, to the number of layers."""
    if base is None or not shape.layer_types or len(shape.layer_types) == shape.num_hidden_layers:
        return shape
    pattern = base.layer_types
    return replace(shape, layer_types=tuple(pattern[layer % len(pattern)] for layer in range(shape.num_hidden_layers)))


def _missing_fields(values: Mapping[str, Any], moe: MoeShape | None) -> list[str]:
    """What a shape without a base lacks: the dense MLP's width is needed where some layer has one."""
    dense = moe is None or moe.first_k_dense_replace > 0
    return [name for name in (*_NEEDED, *(["intermediate_size"] if dense else [])) if name not in values]


def shape_from_fields(written: Model, base: ModelShape | None) -> ModelShape | ShapeProblem:
    """The shape of a `model` block: its fields over `base`, or alone.

    Alone it needs num_hidden_layers, hidden_size, num_attention_heads, vocab_size and, unless every layer has
    experts, intermediate_size. The rest is that of the Llama family: num_key_value_heads = num_attention_heads,
    head_dim = hidden_size / num_attention_heads, a gated MLP, RMSNorm, rotary positions, no biases, an untied
    head. Over a base, head_dim and num_key_value_heads follow hidden_size and num_attention_heads where they do
    so in the base, and a pattern of layers is cut or repeated from its start to the number of layers.
    """
    moe = base.moe if base else None
    mla = base.mla if base else None
    if written.moe is not None:
        stated = _stated_experts(written.moe, moe)
        if isinstance(stated, ShapeProblem):
            return stated
        moe = stated
    if written.mla is not None:
        latent = _stated_latent(written.mla, mla)
        if isinstance(latent, ShapeProblem):
            return latent
        mla = latent
    values = _written(written)
    missing = _missing_fields(values, moe) if base is None else []
    if missing:
        return _missing(missing, "")
    problem = _fill_heads(values, base, mla)
    if problem is not None:
        return problem
    shape = ModelShape(**{**_DEFAULTS, **values}) if base is None else replace(base, **values)
    return _patterned(replace(shape, moe=moe, mla=mla), base)
