"""A text model's config (the object of config.json) as a shape, by the table in `architectures.json`.

For each model type the table has the defaults of its config class, for keys that a config.json may leave out,
and its shape: a field is a constant, or `"$key"` for a key of the config (`"$part.key"` inside a part).
What follows no such rule is in `ftspec.catalog.config_special`.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from ftspec.catalog.config_aliases import under_both_names
from ftspec.catalog.config_file import ConfigProblem
from ftspec.catalog.config_rope import rotary_values
from ftspec.catalog.config_special import SPECIAL
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_fields import DEFAULT_MAX_POSITION_EMBEDDINGS
from ftspec.catalog.shape_json import shape_from_json

GENERAL = "llama"
"""The model type that an unknown one is read as; then nothing that matters has a default."""

_ESSENTIAL = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size", "intermediate_size")
_ALTERNATIVES = {
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "hidden_size": ("n_embd", "d_model"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size"),
    "rms_norm_eps": ("layer_norm_eps", "layer_norm_epsilon", "layernorm_epsilon", "norm_eps"),
}
_UNUSUAL = ("num_experts", "num_local_experts", "n_routed_experts", "kv_lora_rank", "encoder_layers", "block_types")
_UNUSUAL_BEGINNINGS = ("mamba", "conv_", "ssm", "rwkv", "linear_", "recurrent_", "moe_", "cross_attention_")
_GATING = ("silu", "swish")
"""Activations of a Llama's gated MLP; a model with another one may have plain MLPs, of two matrices, not three."""
_PLAIN_LAYERS = {"full_attention", "sliding_attention", "attention"}
_NULLABLE = frozenset(
    {"max_position_embeddings", "n_routed_experts", "n_shared_experts", "num_experts", "sliding_window"}
    | {"num_key_value_heads", "num_kv_heads", "q_lora_rank", "shared_expert_intermediate_size"}
    | {"n_group", "topk_group"}
)
"""Keys with a number as default that null has a meaning for: none, or what follows from others."""
_LAYER_TYPES = ("sliding_attention", "linear_attention")


@cache
def architectures() -> Mapping[str, Any]:
    """The table of architectures."""
    with open(os.path.join(os.path.dirname(__file__), "architectures.json"), "rb") as file:
        table: dict[str, Any] = json.load(file)
    return table


def known_model_type(model_type: str) -> str | None:
    """The row of the table that a model type is read by: its own, or that of the type it is built like."""
    table = architectures()
    known = table["stands_for"].get(model_type, model_type)
    return known if known in table["architectures"] else None


def _look_up(config: Mapping[str, Any], key: str) -> tuple[bool, Any]:
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _resolve(field: str, rule: Any, config: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    """The value of one field of the shape: a constant, a key's value, the field's own name's, or the default.

    The fields of a part have no names of their own in a config.
    """
    if isinstance(rule, dict):
        return {name: _resolve("", each, config, defaults) for name, each in rule.items()}
    if not isinstance(rule, str) or not rule.startswith("$"):
        return rule
    for key in (rule[1:], field):
        found, value = _look_up(config, key)
        if found:
            return value
    return defaults.get(rule[1:])


def _attention_bias(qkv: bool, out: bool) -> str:
    return {(True, True): "all", (True, False): "qkv_only", (False, True): "out_only"}.get((qkv, out), "none")


def _layer_types(config: Mapping[str, Any], pattern: Mapping[str, Any] | None, layers: int) -> list[str]:
    """The kinds of the layers where they differ, [] where all are full attention."""
    given = config.get("layer_types")
    if isinstance(given, list):
        kinds = [kind if kind in _LAYER_TYPES else "full_attention" for kind in given[:layers]]
    elif pattern is not None:
        every = config.get(pattern.get("key", "")) or pattern["every"]
        kinds = [pattern["kind"] if (layer + 1) % every else "full_attention" for layer in range(layers)]
    else:
        kinds = []
    return kinds if any(kind != "full_attention" for kind in kinds) else []


def _dense_layers(config: Mapping[str, Any]) -> list[int] | None:
    """The layers without experts where the config lists a kind for each layer."""
    for key, dense in (("mlp_layer_types", "dense"), ("moe_layer_freq", 0)):
        kinds = config.get(key)
        if isinstance(kinds, list):
            return [layer for layer, kind in enumerate(kinds) if kind == dense]
    return None


def _experts(moe: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any] | None:
    if not moe["num_experts"]:
        return None
    moe = {name: value for name, value in moe.items() if value is not None}
    width = moe.get("num_shared_experts", 0) * moe["moe_intermediate_size"]
    moe.setdefault("shared_intermediate_size", width)
    if not moe["shared_intermediate_size"]:
        moe["num_shared_experts"] = 0
    dense = _dense_layers(config)
    if dense is not None:
        moe |= {"dense_layers": dense, "first_k_dense_replace": 0, "moe_layer_step": 1}
    moe.setdefault("num_experts_per_tok", 1)
    return moe


def _fill(values: dict[str, Any], config: Mapping[str, Any]) -> None:
    """Fill in what follows from other values, as the config classes do (head_dim is rounded down, as there)."""
    hidden, heads = values["hidden_size"], values["num_attention_heads"]
    if values.get("intermediate_size") is None:
        values["intermediate_size"] = 4 * hidden
    if values.get("max_position_embeddings") is None:
        values["max_position_embeddings"] = DEFAULT_MAX_POSITION_EMBEDDINGS
    values["tie_word_embeddings"] = bool(values.get("tie_word_embeddings"))
    mla = values.get("mla")
    if mla is not None:
        mla["v_head_dim"] = mla["v_head_dim"] or hidden // heads
        values["head_dim"] = mla["qk_nope_head_dim"] + mla["qk_rope_head_dim"]
    if values.get("head_dim") is None:
        values["head_dim"] = hidden // heads
    if "moe" in values:
        values["moe"] = _experts(values["moe"], config)


def _contradiction(shape: ModelShape) -> ConfigProblem | None:
    own = "give the model's own config.json"
    if not shape.head_dim:
        return ConfigProblem(f"hidden_size {shape.hidden_size} is less than the {shape.num_attention_heads} heads", own)
    if shape.num_attention_heads % shape.num_key_value_heads:
        heads = f"{shape.num_attention_heads} query heads do not divide over {shape.num_key_value_heads}"
        return ConfigProblem(f"{heads} key and value heads", own)
    if shape.moe is not None and shape.moe.num_experts_per_tok > shape.moe.num_experts:
        chosen = f"a token cannot pass {shape.moe.num_experts_per_tok} of {shape.moe.num_experts} experts"
        return ConfigProblem(chosen, own)
    if shape.layer_types and len(shape.layer_types) != shape.num_hidden_layers:
        kinds = f"{len(shape.layer_types)} layers have a kind, but num_hidden_layers is {shape.num_hidden_layers}"
        return ConfigProblem(kinds, own)
    return None


def _null(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> ConfigProblem | None:
    """The first number that is null although its class needs one."""
    for key, default in defaults.items():
        number = isinstance(default, int) and not isinstance(default, bool)
        if number and key not in _NULLABLE and _look_up(config, key) == (True, None):
            return ConfigProblem(f"{key} is null", f"give a number, or leave it out for {default:,}")
    return None


def _open(values: Mapping[str, Any]) -> ConfigProblem | None:
    """What a shape needs and neither the config nor its class's defaults say."""
    missing = [name for name in _ESSENTIAL[:4] if values[name] is None]
    moe = values.get("moe")
    if moe is not None and moe["num_experts"] and moe["moe_intermediate_size"] is None:
        missing.append("moe_intermediate_size")
    ranked = values.get("mla") if values.get("indexer") else values.get("compressed_attention")
    if ranked is not None and ranked["q_lora_rank"] is None:
        missing.append("q_lora_rank")
    if missing:
        return ConfigProblem(f"lacks {', '.join(missing)}", "give the model's own config.json")
    return None


def _general_config(config: Mapping[str, Any]) -> dict[str, Any] | ConfigProblem:
    """The config of an unknown model type under the usual names, or what it lacks."""
    filled = dict(config)
    for name, others in _ALTERNATIVES.items():
        given = next((config[other] for other in others if other in config), None)
        if name not in filled and given is not None:
            filled[name] = given
    unusual = [key for key in filled if filled[key] and (key in _UNUSUAL or key.startswith(_UNUSUAL_BEGINNINGS))]
    kinds = filled.get("layer_types")
    if isinstance(kinds, list) and not set(map(str, kinds)) <= _PLAIN_LAYERS:
        unusual.append("layer_types")
    unusual += [key for key in ("hidden_act", "hidden_activation") if filled.get(key, "silu") not in _GATING]
    if unusual:
        why = f'model_type "{config.get("model_type")}" is not known, and {unusual[0]} says that it is no plain decoder'
        return ConfigProblem(why, "state the shape in the spec: model { num_hidden_layers = … moe { … } }")
    missing = [name for name in _ESSENTIAL if filled.get(name) is None]
    if missing:
        kind = config.get("model_type")
        known = f'its model_type "{kind}" is not one that ftspec knows' if kind else "it has no model_type"
        return ConfigProblem(f"lacks {', '.join(missing)}, and {known}", "give them, or state the shape in the spec")
    return filled


def _values(rules: Mapping[str, Any], config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: _resolve(name, rule, config, defaults) for name, rule in rules.items() if name != "layer_pattern"}
    qkv, out = bool(values.pop("qkv_bias", False)), bool(values.pop("out_bias", False))
    values["attention_bias"] = _attention_bias(qkv, out)
    if values["num_key_value_heads"] is None:
        values["num_key_value_heads"] = values["num_attention_heads"]
    return values


def _stated(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without what is None, which has the shape's default (a query's rank may be None)."""
    return {
        name: _stated(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not None or name == "q_lora_rank"
    }


def config_shape(config: Mapping[str, Any], model_type: str) -> ModelShape | ConfigProblem:
    """The shape that a text model's config describes, read as a model of a known type or as a general decoder."""
    table = architectures()
    known = known_model_type(model_type)
    config = under_both_names(config, known or model_type)
    if known is None:
        general = _general_config(config)
        if isinstance(general, ConfigProblem):
            return general
        config = general
    own = table["own_defaults"].get(model_type, {})
    defaults: Mapping[str, Any] = {**table["architectures"][known]["defaults"], **own} if known else {}
    known = known or GENERAL
    null = _null(config, defaults)
    if null is not None:
        return null
    rules = {**table["common"], **table["architectures"][known]["shape"]}
    values = _values(rules, config, defaults)
    special = SPECIAL.get(model_type) or SPECIAL.get(known)
    problem = special(values, {**defaults, **config}) if special else None
    problem = problem or _open(values)
    if problem is not None:
        return problem
    _fill(values, config)
    rotary = values.get("position", "rope") == "rope"
    if rotary and ("rope_theta" in defaults or not defaults):
        values |= rotary_values(config, defaults if known == model_type else {}, values["head_dim"])
    if "layer_types" not in values:
        values["layer_types"] = _layer_types(config, rules.get("layer_pattern"), values["num_hidden_layers"])
    shape = shape_from_json({**_stated(values), "model_type": known})
    return _contradiction(shape) or shape
