"""What the table of architectures cannot say: one function a model type.

Each takes the values read so far and the config with its class's defaults, and changes the values; it returns
a problem where the model has something that no shape expresses. They follow the config and model classes of
transformers (`models/<type>/configuration_<type>.py`, `modeling_<type>.py`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from ftspec.catalog.config_file import ConfigProblem

Values = dict[str, Any]
Config = Mapping[str, Any]
Special = Callable[[Values, Config], ConfigProblem | None]

_NOT_EXPRESSED = "state the shape in the spec, or use a model without it"


def _falcon(values: Values, config: Config) -> ConfigProblem | None:
    grown = config["new_decoder_architecture"]
    if not grown:
        values["num_key_value_heads"] = 1 if config["multi_query"] else values["num_attention_heads"]
    norms = config["num_ln_in_parallel_attn"] or (2 if grown else 1)
    values["norms_per_layer"] = norms if config["parallel_attn"] else 2
    values["position"] = "alibi" if config["alibi"] else "rope"
    return None


def _gpt_bigcode(values: Values, config: Config) -> ConfigProblem | None:
    values["num_key_value_heads"] = 1 if config["multi_query"] else values["num_attention_heads"]
    return None


def _opt(values: Values, config: Config) -> ConfigProblem | None:
    values["final_norm"] = config["do_layer_norm_before"] and not config["_remove_final_layer_norm"]
    if not config["layer_norm_elementwise_affine"]:
        values["norm"] = "none"
    if values["word_embed_proj_dim"] == values["hidden_size"]:
        values["word_embed_proj_dim"] = None
    return None


def _phi(values: Values, config: Config) -> ConfigProblem | None:
    if config["qk_layernorm"]:
        return ConfigProblem("qk_layernorm in a phi model has biases, which ftspec cannot express", _NOT_EXPRESSED)
    return None


def _stablelm(values: Values, config: Config) -> ConfigProblem | None:
    values["norms_per_layer"] = 1 if config["use_parallel_residual"] else 2
    return None


def _qwen2(values: Values, config: Config) -> ConfigProblem | None:
    if config["use_sliding_window"]:
        first, layers = config["max_window_layers"], values["num_hidden_layers"]
        values["sliding_window"] = config["sliding_window"]
        full, sliding = min(first, layers), max(layers - first, 0)
        values["layer_types"] = ["full_attention"] * full + ["sliding_attention"] * sliding
    return None


def _deepseek(values: Values, config: Config) -> ConfigProblem | None:
    """DeepSeek-MoE: built like GLM-4.5, with the router of its own repository (modeling_deepseek.py, `MoEGate`)."""
    scores = config["scoring_func"]
    values["moe"] |= {"scoring_func": scores, "score_correction_bias": False, "n_group": 1, "topk_group": 1}
    return None


def _deepseek_v2(values: Values, config: Config) -> ConfigProblem | None:
    if config["topk_method"] == "group_limited_greedy" and (config["topk_group"] or 1) < (config["n_group"] or 1):
        values["moe"]["other_routing"] = "groups chosen by their best expert"
    return None


def _ernie4_5_moe(values: Values, config: Config) -> ConfigProblem | None:
    last = config["moe_layer_end_index"]
    if last != -1:
        values["moe"]["dense_layers"] = list(range(last + 1, values["num_hidden_layers"]))
    return None


def _llama4(values: Values, config: Config) -> ConfigProblem | None:
    sparse = config.get("moe_layers")
    if isinstance(sparse, list):
        dense = [layer for layer in range(values["num_hidden_layers"]) if layer not in sparse]
        values["moe"] |= {"dense_layers": dense, "moe_layer_step": 1}
    return None


def _gemma4_full_layers(config: Config) -> tuple[int, int | None]:
    """Width of a head and number of key heads of the full-attention layers: for all, or as saved, layer by layer."""
    saved = config.get("per_layer_config")
    if isinstance(saved, Mapping) and saved:
        layer: Mapping[str, Any] = next(iter(saved.values()))
        return layer.get("head_dim", config["head_dim"]), layer.get("num_key_value_heads")
    return config["global_head_dim"], config["num_global_key_value_heads"]


def _gemma4(values: Values, config: Config) -> ConfigProblem | None:
    if config["num_kv_shared_layers"]:
        return ConfigProblem("has layers that share keys and values, which ftspec cannot express", _NOT_EXPRESSED)
    same = config["attention_k_eq_v"]
    head, groups = _gemma4_full_layers(config)
    values["attention_variant"] = {
        "layer_type": "full_attention",
        "num_attention_heads": values["num_attention_heads"],
        "num_key_value_heads": (same and groups) or values["num_key_value_heads"],
        "head_dim": head,
        "v_head_dim": head,
        "value_is_key": same,
    }
    if config["enable_moe_block"]:
        values["norms_per_layer"] = 7
        values["moe"] = {
            "num_experts": config["num_experts"],
            "num_experts_per_tok": config["top_k_experts"],
            "moe_intermediate_size": config["moe_intermediate_size"],
            "beside_dense": True,
            "router_scale": True,
        }
    if config["hidden_size_per_layer_input"]:
        vocabulary, width = config["vocab_size_per_layer_input"], config["hidden_size_per_layer_input"]
        values["per_layer_input"] = {"vocab_size": vocabulary, "width": width}
        values["norms_per_layer"] += 1
    return None


def _minicpm(values: Values, config: Config) -> ConfigProblem | None:
    """A Llama but for scale_emb, scale_depth and dim_model_base (modeling_minicpm.py of its repository)."""
    values["multipliers"] = True
    return None


def _mimo_v2_flash(values: Values, config: Config) -> ConfigProblem | None:
    layers = range(values["num_hidden_layers"])
    window, sliding = "sliding_attention", config.get("hybrid_layer_pattern")
    values["layer_types"] = (
        [window if each else "full_attention" for each in sliding[: len(layers)]]
        if isinstance(sliding, list)
        else config.get("layer_types")
        or [window if layer and (layer + 1) % 6 else "full_attention" for layer in layers]
    )
    values["attention_variant"] = {
        "layer_type": window,
        "num_attention_heads": config.get("swa_num_attention_heads") or values["num_attention_heads"],
        "num_key_value_heads": config.get("swa_num_key_value_heads") or 2 * values["num_key_value_heads"],
        "head_dim": config.get("swa_head_dim") or values["head_dim"],
        "v_head_dim": config.get("swa_v_head_dim") or values["v_head_dim"],
        "sinks": True,
    }
    values["moe"]["first_k_dense_replace"] = 1
    return None


def _glm_moe_dsa(values: Values, config: Config) -> ConfigProblem | None:
    given, frequency, offset = config.get("indexer_types"), config["index_topk_freq"], config["index_skip_topk_offset"]
    own = [max(layer - offset + 1, 0) % frequency == 0 for layer in range(values["num_hidden_layers"])]
    if given and [kind == "full" for kind in given] != own:
        message = "indexer_types is not the pattern of index_topk_freq and index_skip_topk_offset"
        return ConfigProblem(message, "ftspec can express that pattern only: give the two keys that it follows")
    return None


_NEMOTRON_KINDS = {
    "M": "mamba",
    "E": "moe",
    "*": "full_attention",
    "-": "mlp",
    "linear_attention": "mamba",
    "attention": "full_attention",
}


def _nemotron_h(values: Values, config: Config) -> ConfigProblem | None:
    given = config.get("layers_block_type") or config.get("hybrid_override_pattern")
    blocks = given or ["mamba", "moe", "full_attention", "mlp"]
    kinds = [_NEMOTRON_KINDS.get(block, block) for block in blocks]
    unknown = sorted(set(kinds) - {"mamba", "moe", "full_attention", "mlp"})
    if unknown:
        return ConfigProblem(f'a layer of kind "{unknown[0]}" is not known', "M, E, * and - are the kinds of layer")
    values["num_hidden_layers"], values["layer_types"] = len(kinds), kinds
    if "moe" not in kinds:
        values["moe"]["num_experts"] = None
    return None


_COMPRESSED_KINDS = {0: "sliding_attention", 4: "compressed_sparse_attention", 128: "heavily_compressed_attention"}


def _deepseek_v4(values: Values, config: Config) -> ConfigProblem | None:
    layers = values["num_hidden_layers"]
    sparse, heavy = _COMPRESSED_KINDS[4], _COMPRESSED_KINDS[128]
    ratios = config.get("compress_ratios")
    kinds = config.get("layer_types") or [_COMPRESSED_KINDS.get(each) for each in ratios or ()]
    if None in kinds:
        return ConfigProblem("compress_ratios may hold 0, 4 and 128", "give the model's own config.json")
    kinds = kinds or [heavy if layer < 2 or layer % 2 == 0 else sparse for layer in range(layers)]
    values["layer_types"] = list(kinds[:layers])
    rates = config.get("compress_rates") or {}
    part = values["compressed_attention"]
    part["sparse_rate"] = config.get("compress_rate_csa") or rates.get(sparse, 4)
    part["heavy_rate"] = config.get("compress_rate_hca") or rates.get(heavy, 128)
    values["attention_sinks"] = True
    return None


SPECIAL: Mapping[str, Special] = {
    "deepseek": _deepseek,
    "deepseek_v2": _deepseek_v2,
    "deepseek_v4": _deepseek_v4,
    "ernie4_5_moe": _ernie4_5_moe,
    "falcon": _falcon,
    "gemma4_text": _gemma4,
    "glm_moe_dsa": _glm_moe_dsa,
    "gpt_bigcode": _gpt_bigcode,
    "llama4_text": _llama4,
    "mimo_v2_flash": _mimo_v2_flash,
    "minicpm": _minicpm,
    "nemotron_h": _nemotron_h,
    "opt": _opt,
    "phi": _phi,
    "qwen2": _qwen2,
    "stablelm": _stablelm,
}
"""The function of each model type that needs one."""
