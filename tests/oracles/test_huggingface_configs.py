"""A config.json as transformers writes it, read: the count equals that of the class which transformers builds."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import CONFIG_MAPPING

from ftspec import catalog
from ftspec.catalog.config_file import ConfigProblem
from ftspec.catalog.config_shape import architectures
from ftspec.catalog.huggingface import read_config
from ftspec.catalog.models import ModelRow, find_model
from ftspec.core.resources import json_beside
from tests.oracles.transformers_models import TEXT_MODELS, real_parameters, transformers_config

NOT_OF_TRANSFORMERS = {"chatglm"}
"""Types whose classes are in their own repositories."""

NEEDED: dict[str, dict[str, Any]] = {
    "deepseek_v2": {"num_experts_per_tok": 6},
    "nemotron": {"num_key_value_heads": 8},
    "dbrx": {"attn_config": {"kv_n_heads": 8, "rope_theta": 5e5}},
}
"""What the class cannot be built without although it has a default."""

CHANGED: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True, "head_dim": 100, "num_key_value_heads": 4},
    "mistral": {"num_key_value_heads": 4, "head_dim": 64, "tie_word_embeddings": True},
    "qwen2": {"num_key_value_heads": 4, "use_sliding_window": True, "max_window_layers": 3},
    "qwen3": {"attention_bias": True, "head_dim": 96},
    "gpt2": {"n_inner": 1000, "n_layer": 3, "n_embd": 96, "n_head": 3},
    "gpt_bigcode": {"multi_query": False},
    "gpt_neox": {"attention_bias": False, "use_parallel_residual": False},
    "opt": {"do_layer_norm_before": False, "word_embed_proj_dim": 512, "enable_bias": False},
    "falcon": {"new_decoder_architecture": True, "num_kv_heads": 71, "bias": True},
    "stablelm": {"use_qkv_bias": True, "use_parallel_residual": True, "qk_layernorm": True},
    "phimoe": {"attention_bias": True, "lm_head_bias": True},
    "starcoder2": {"use_bias": False},
    "cohere": {"use_qk_norm": True, "attention_bias": True, "num_key_value_heads": 8},
    "granite": {"attention_bias": True, "mlp_bias": True},
    "seed_oss": {"attention_out_bias": True, "mlp_bias": True},
    "nemotron": {"num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True},
    "qwen2_moe": {"decoder_sparse_step": 2, "mlp_only_layers": [1, 5], "num_experts": 6},
    "qwen3_moe": {"decoder_sparse_step": 3, "mlp_only_layers": [5], "attention_bias": True},
    "qwen3_next": {"num_hidden_layers": 7, "linear_num_value_heads": 16, "num_experts": 16},
    "mixtral": {"num_local_experts": 3, "num_hidden_layers": 3},
    "ernie4_5_moe": {"moe_layer_interval": 2, "moe_layer_end_index": 20, "use_bias": True},
    "llama4_text": {"interleave_moe_layer_step": 2, "num_hidden_layers": 6, "attention_bias": True},
    "deepseek_v2": {"num_experts_per_tok": 6, "q_lora_rank": None, "first_k_dense_replace": 2, "attention_bias": True},
    "deepseek_v3": {"q_lora_rank": None, "n_shared_experts": 2, "attention_bias": True, "num_hidden_layers": 5},
    "deepseek_v32": {"index_n_heads": 8, "num_hidden_layers": 5, "n_routed_experts": 16},
    "deepseek_v4": {"num_hidden_layers": 6, "hc_mult": 2, "o_groups": 4, "n_routed_experts": 8},
    "glm_moe_dsa": {"index_topk_freq": 3, "index_skip_topk_offset": 4, "num_hidden_layers": 11, "n_routed_experts": 8},
    "glm4_moe": {"use_qk_norm": True, "head_dim": 64, "attention_bias": True, "first_k_dense_replace": 3},
    "gemma4_text": {"attention_k_eq_v": True, "num_global_key_value_heads": 2, "num_hidden_layers": 8},
    "mimo_v2_flash": {"num_hidden_layers": 8, "n_routed_experts": 8},
    "nemotron_h": {"layers_block_type": ["linear_attention", "mlp", "moe"], "moe_latent_size": 64, "mlp_bias": True},
    "minicpm3": {"num_hidden_layers": 4, "attention_bias": True},
    "dbrx": {"attn_config": {"kv_n_heads": 4, "rope_theta": 5e5}, "ffn_config": {"moe_num_experts": 3}},
}
"""Configs unlike the defaults, so that every key that changes a count is read."""

TYPES = sorted(set(architectures()["architectures"]) - NOT_OF_TRANSFORMERS)
CASES = [(model_type, NEEDED.get(model_type, {})) for model_type in TYPES] + list(CHANGED.items())


def read(folder: Path, content: dict[str, Any]) -> ModelRow:
    path = folder / "config.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    row = read_config(str(path))
    assert isinstance(row, ModelRow), row
    return row


@pytest.mark.parametrize(("model_type", "keys"), CASES, ids=lambda each: each if isinstance(each, str) else "")
def test_what_transformers_writes_counts_the_same(model_type: str, keys: dict[str, Any], tmp_path: Path) -> None:
    config = CONFIG_MAPPING[model_type](**keys)
    real = real_parameters(config).total
    for text in (config.to_dict(), config.to_diff_dict() | {"model_type": model_type}):
        outer = {"text_config": text, "tie_word_embeddings": False} if model_type in TEXT_MODELS else text
        assert read(tmp_path, outer).parameters == real


@pytest.mark.parametrize(
    "name",
    ["qwen3.5-35b-a3b", "llama-4-scout-17b-16e", "gemma-3-4b-pt", "gemma-4-31b-it", "deepseek-v4-flash", "gpt-oss-20b"],
)
def test_a_row_s_config_is_read_as_the_row(name: str, tmp_path: Path) -> None:
    row = find_model(name)
    assert isinstance(row, ModelRow)
    text = transformers_config(row).to_dict()
    assert read(tmp_path, {"model_type": "outer", "text_config": text}).shape == row.shape


def test_both_names_of_a_key_are_those_of_the_config_classes() -> None:
    table = architectures()
    classes = {
        kind: CONFIG_MAPPING[kind] for kind in {*table["architectures"], *table["stands_for"]} if kind in CONFIG_MAPPING
    }
    real = {kind: dict(found.attribute_map) for kind, found in classes.items() if found.attribute_map}
    assert json_beside(catalog.__file__, "config_aliases.json")["aliases"] == real


ALIASES = json_beside(catalog.__file__, "config_aliases.json")["aliases"]


@pytest.mark.parametrize("model_type", ALIASES)
def test_a_value_under_its_other_name_is_read(model_type: str, tmp_path: Path) -> None:
    """Each key under the name that transformers does not write, at a value unlike the class's default."""
    keys = NEEDED.get(model_type, {}) | CHANGED.get(model_type, {})
    text = CONFIG_MAPPING[model_type](**keys).to_dict()
    as_written = read(tmp_path, text).shape
    for alias, name in ALIASES[model_type].items():
        for given, other in ((alias, name), (name, alias)):
            renamed = {key: value for key, value in text.items() if key not in (given, other)}
            assert read(tmp_path, renamed | {other: text.get(given, text.get(other))}).shape == as_written


EXPERTS: dict[str, dict[str, Any]] = {
    "qwen3_moe": {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40},
    "ernie4_5_moe": {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40},
    "qwen3_vl_moe_text": {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40},
    "olmoe": {"num_local_experts": 6, "num_experts_per_tok": 2},
    "glm4_moe": {"num_local_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 40},
    "mixtral": {"num_experts": 6, "num_experts_per_tok": 2},
}
SIZES: dict[str, Any] = {
    "num_hidden_layers": 5, "hidden_size": 96, "intermediate_size": 160, "num_attention_heads": 6,
    "num_key_value_heads": 3, "vocab_size": 503,
}  # fmt: skip


@pytest.mark.parametrize("model_type", EXPERTS)
def test_a_saved_config_s_experts_are_counted(model_type: str, tmp_path: Path) -> None:
    config = CONFIG_MAPPING[model_type](**SIZES, **EXPERTS[model_type])
    config.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    outer = {"text_config": content, "tie_word_embeddings": False} if model_type in TEXT_MODELS else content
    row = read(tmp_path, outer)
    assert row.parameters == real_parameters(config).total
    assert row.shape.moe is not None
    assert (row.shape.moe.num_experts, row.shape.moe.num_experts_per_tok) == (6, 2)


@pytest.mark.parametrize(
    "kind",
    [
        "falcon_h1",
        "lfm2",
        "jamba",
        "bamba",
        "zamba2",
        "recurrent_gemma",
        "aria_text",
        "mllama_text_model",
        "arcee",
        "bert",
    ],
)
def test_a_model_of_another_kind_that_is_not_known_is_refused(kind: str, tmp_path: Path) -> None:
    CONFIG_MAPPING[kind]().save_pretrained(tmp_path)
    assert isinstance(read_config(str(tmp_path / "config.json")), ConfigProblem)
