"""Real models of transformers, on torch's meta device, for a shape of the catalog: parameters without memory."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedConfig
from transformers.initialization import no_init_weights
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel
from transformers.models.qwen3_vl_moe.modeling_qwen3_vl_moe import Qwen3VLMoeTextModel

from ftspec.catalog.config_shape import architectures
from ftspec.catalog.models import ModelRow
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import RopeScaling

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
TEXT_MODELS = {"qwen3_vl_text": Qwen3VLTextModel, "qwen3_vl_moe_text": Qwen3VLMoeTextModel}
"""Decoders that transformers has as a part of a multimodal model only; their head is the outer class's, untied."""


def _keys(rules: Mapping[str, Any], part: Any) -> dict[str, Any]:
    """The config's keys for a shape or a part of one: the table of architectures read backwards."""
    keys: dict[str, Any] = {}
    for field, rule in rules.items():
        if isinstance(rule, dict) and getattr(part, field, None) is not None:
            keys |= _keys(rule, getattr(part, field))
        elif isinstance(rule, str) and rule.startswith("$") and hasattr(part, field):
            value = getattr(part, field)
            if field == "norm_epsilon" and value is None:
                continue
            keys[rule[1:]] = list(value) if isinstance(value, tuple) else value
    return keys


def _biases(rules: Mapping[str, Any], shape: ModelShape) -> dict[str, bool]:
    bias = shape.attention_bias
    has = {"qkv_bias": bias in ("all", "qkv_only"), "out_bias": bias in ("all", "out_only")}
    return {rules[name][1:]: each for name, each in has.items() if str(rules.get(name)).startswith("$")}


def _special(model_type: str, shape: ModelShape) -> dict[str, Any]:
    """Keys whose meaning the table does not hold."""
    if model_type == "falcon":
        grown = shape.num_key_value_heads != 1
        return {"new_decoder_architecture": grown, "num_ln_in_parallel_attn": shape.norms_per_layer if grown else None}
    if model_type == "dbrx" and shape.moe is not None:
        experts = {"moe_num_experts": shape.moe.num_experts, "moe_top_k": shape.moe.num_experts_per_tok}
        return {
            "attn_config": {"kv_n_heads": shape.num_key_value_heads, "rope_theta": 5e5, "clip_qkv": 8},
            "ffn_config": {**experts, "ffn_hidden_size": shape.moe.moe_intermediate_size},
        }
    if model_type == "gemma4_text" and shape.attention_variant is not None:
        variant = shape.attention_variant
        keys = {"global_head_dim": variant.head_dim, "num_global_key_value_heads": variant.num_key_value_heads}
        keys |= {"attention_k_eq_v": variant.value_is_key, "hidden_size_per_layer_input": 0}
        if shape.moe is not None:
            keys |= {"enable_moe_block": True, "num_experts": shape.moe.num_experts}
            keys |= {"top_k_experts": shape.moe.num_experts_per_tok}
            keys |= {"moe_intermediate_size": shape.moe.moe_intermediate_size}
        return keys
    if model_type == "gpt_neo":
        return {"attention_types": [[["global", "local"], shape.num_hidden_layers // 2]]}
    if model_type == "nemotron_h":
        kinds = {"mamba": "linear_attention"}
        return {"layers_block_type": [kinds.get(kind, kind) for kind in shape.layer_types]}
    return {}


def _rotary(model_type: str, shape: ModelShape) -> dict[str, Any]:
    """rope_parameters of a shape whose rotary base is known; longrope's lists, which a shape lacks, are ones."""
    if shape.rope_theta is None:
        return {}
    parameters: dict[str, Any] = {"rope_type": "default", "rope_theta": shape.rope_theta}
    parameters["partial_rotary_factor"] = shape.partial_rotary_factor
    if shape.rope_scaling is not None:
        scaling = {each.name: getattr(shape.rope_scaling, each.name) for each in fields(RopeScaling)}
        parameters |= {name: value for name, value in scaling.items() if value is not None and value is not True}
        if shape.rope_scaling.rope_type == "longrope":
            ones = [1.0] * int(shape.head_dim * shape.partial_rotary_factor / 2)
            parameters |= {"short_factor": ones, "long_factor": ones}
            if model_type == "phimoe":
                parameters |= {"short_mscale": 1.0, "long_mscale": 1.0}
    return {"rope_parameters": parameters}


def transformers_config(row: ModelRow) -> PreTrainedConfig:
    """The config of transformers' class for a row of the catalog."""
    entry = architectures()["architectures"][row.model_type]
    rules = {**architectures()["common"], **entry["shape"]}
    keys = _keys(rules, row.shape) | _biases(rules, row.shape) | _special(row.model_type, row.shape)
    keys |= _rotary(row.model_type, row.shape)
    if row.shape.layer_types and row.model_type != "nemotron_h":
        keys["layer_types"] = list(row.shape.layer_types)
    flat = {name: value for name, value in keys.items() if "." not in name}
    return CONFIG_MAPPING[row.model_type](**flat, pad_token_id=None)


class RealParameters(NamedTuple):
    """What a real model has: trainable parameters in all (tied weights once) and in each layer."""

    total: int
    layers: tuple[int, ...]


def real_parameters(config: PreTrainedConfig) -> RealParameters:
    """The parameters of the real causal language model."""
    with torch.device("meta"), no_init_weights():
        kind = TEXT_MODELS.get(config.model_type)
        model = AutoModelForCausalLM.from_config(config) if kind is None else kind(config)
        model.tie_weights()
    head = config.vocab_size * config.hidden_size if kind is not None else 0
    layers: Counter[int] = Counter()
    for name, parameter in model.named_parameters():
        layer = _LAYER.search(name)
        if layer:
            layers[int(layer[1])] += parameter.numel()
    total = sum(parameter.numel() for parameter in model.parameters()) + head
    return RealParameters(total, tuple(layers[layer] for layer in range(len(layers))))
