"""config.json: what is read, and what is said of what cannot be."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ftspec.catalog.config_shape import architectures
from ftspec.catalog.huggingface import ConfigProblem, read_config
from ftspec.catalog.models import ModelRow, find_model
from ftspec.core.resources import resource_path

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 8.0,
        "original_max_position_embeddings": 8192,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
}


def written(folder: Path, content: Any) -> str:
    path = folder / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def row(folder: Path, content: Any) -> ModelRow:
    found = read_config(written(folder, content))
    assert isinstance(found, ModelRow), found
    return found


def problem(folder: Path, content: Any) -> ConfigProblem:
    found = read_config(written(folder, content))
    assert isinstance(found, ConfigProblem), found
    assert found.help
    return found


def test_a_config_is_the_catalog_s_row(tmp_path: Path) -> None:
    catalog = find_model("llama-3.1-8b")
    assert isinstance(catalog, ModelRow)
    found = row(tmp_path, LLAMA)
    assert found.shape == catalog.shape
    assert found.parameters == catalog.parameters
    assert (found.architecture, found.remark) == ("LlamaForCausalLM", "")


def test_what_is_left_out_has_the_class_s_default(tmp_path: Path) -> None:
    assert row(tmp_path, {"model_type": "llama"}).parameters == 6738415616
    assert row(tmp_path, {"model_type": "mistral"}).shape.num_key_value_heads == 8
    assert row(tmp_path, {"model_type": "mistral", "num_key_value_heads": None}).shape.num_key_value_heads == 32
    assert row(tmp_path, {"model_type": "gpt2"}).shape.tie_word_embeddings


def test_a_multimodal_config_s_text_decoder(tmp_path: Path) -> None:
    outer = {"model_type": "llava", "text_config": LLAMA, "vision_config": {"hidden_size": 1024}}
    found = row(tmp_path, outer)
    assert found.parameters == 8030261248
    assert found.remark == "only the text decoder is counted"
    tied = row(tmp_path, outer | {"tie_word_embeddings": True})
    assert tied.parameters == found.parameters - 128256 * 4096


def test_a_text_config_without_a_type_follows_the_outer_one(tmp_path: Path) -> None:
    found = row(tmp_path, {"model_type": "gemma3", "text_config": {"num_hidden_layers": 6}})
    assert found.model_type == "gemma3_text"
    assert found.shape.layer_types == ("sliding_attention",) * 5 + ("full_attention",)


def test_an_unknown_type_is_read_under_the_usual_names(tmp_path: Path) -> None:
    general = {key: value for key, value in LLAMA.items() if key != "architectures"} | {"model_type": "new_net"}
    found = row(tmp_path, general)
    assert found.parameters == 8030261248
    assert '"new_net" is not known' in found.remark
    old = {"n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100, "n_inner": 128}
    assert row(tmp_path, old).shape.hidden_size == 64


def test_an_unknown_type_that_lacks_keys(tmp_path: Path) -> None:
    found = problem(tmp_path, {"model_type": "new_net", "hidden_size": 64})
    assert "lacks num_hidden_layers, num_attention_heads, vocab_size, intermediate_size" in found.message
    assert "it has no model_type" in problem(tmp_path, {}).message


@pytest.mark.parametrize("key", ["num_experts", "n_routed_experts", "kv_lora_rank", "ssm_state_size"])
def test_an_unknown_type_that_is_no_plain_decoder(tmp_path: Path, key: str) -> None:
    found = problem(tmp_path, LLAMA | {"model_type": "new_net", key: 8})
    assert key in found.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"hidden_size": -4096}, "hidden_size is -4096"),
        ({"hidden_size": "4096"}, 'hidden_size is "4096"'),
        ({"hidden_size": 4096.5}, "hidden_size is 4096.5"),
        ({"hidden_size": True}, "hidden_size is true"),
        ({"hidden_size": [4096]}, "hidden_size is [4096]"),
        ({"vocab_size": 10**12}, "vocab_size is 1000000000000"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers is 1000000"),
        ({"tie_word_embeddings": "yes"}, 'tie_word_embeddings is "yes"'),
        ({"architectures": "Llama"}, 'architectures is "Llama"'),
        ({"model_type": 7}, "model_type is 7"),
        ({"layer_types": [1]}, "layer_types.0 is 1"),
        ({"num_key_value_heads": 7}, "32 query heads do not divide over 7 key and value heads"),
        ({"num_attention_heads": 8192, "num_key_value_heads": None}, "hidden_size 4096 is less than the 8192 heads"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    assert problem(tmp_path, LLAMA | change).message == message


def test_several_wrong_values_are_counted(tmp_path: Path) -> None:
    found = problem(tmp_path, LLAMA | {"hidden_size": 0, "vocab_size": 0})
    assert found.message == "hidden_size is 0 (1 more values are wrong)"


def test_a_wrong_value_in_the_text_part(tmp_path: Path) -> None:
    found = problem(tmp_path, {"model_type": "gemma3", "text_config": {"hidden_size": 0}})
    assert found.message == "text_config.hidden_size is 0"


def test_a_whole_float_is_a_whole_number(tmp_path: Path) -> None:
    assert row(tmp_path, LLAMA | {"hidden_size": 4096.0}).parameters == 8030261248


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[1, 2]", "holds no JSON object"),
        ("null", "holds no JSON object"),
        ('{"hidden_size": 1e999}', "hidden_size is Infinity"),
        ('{"hidden_size": NaN}', "hidden_size is NaN"),
        ("[" * 100_000, "is not JSON that can be read"),
        ('{"hidden_size": ' + "9" * 5000 + "}", "is not JSON that can be read"),
        ('{"a": ' * 3000 + "1" + "}" * 3000, "too deep"),
    ],
    ids=["empty", "half", "list", "null", "infinite", "not-a-number", "deep-list", "long-number", "deep-object"],
)
def test_text_that_is_no_config(tmp_path: Path, text: str, message: str) -> None:
    found = problem(tmp_path, text)
    assert message in found.message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    missing = read_config(str(tmp_path / "absent.json"))
    assert isinstance(missing, ConfigProblem)
    assert missing.message == "there is no such file"
    folder = read_config(str(tmp_path))
    assert isinstance(folder, ConfigProblem)
    assert folder.message == "is a directory"
    assert "config.json" in folder.help
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00{")
    assert isinstance(read_config(str(binary)), ConfigProblem)
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (16 * 2**20 + 1))
    found = read_config(str(large))
    assert isinstance(found, ConfigProblem)
    assert "16 MiB" in found.message
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    assert isinstance(read_config(str(pipe)), ConfigProblem)


def test_what_no_shape_expresses_is_said(tmp_path: Path) -> None:
    assert "qk_layernorm" in problem(tmp_path, {"model_type": "phi", "qk_layernorm": True}).message
    assert "share keys" in problem(tmp_path, {"model_type": "gemma4_text", "num_kv_shared_layers": 2}).message
    nemotron = {"model_type": "nemotron_h", "hybrid_override_pattern": "M?"}
    assert '"?"' in problem(tmp_path, nemotron).message
    shared = {"model_type": "glm_moe_dsa", "num_hidden_layers": 4, "indexer_types": ["full", "shared", "full", "full"]}
    assert "indexer_types" in problem(tmp_path, shared).message
    kinds = {"model_type": "qwen3_next", "num_hidden_layers": 4, "layer_types": ["linear_attention"]}
    assert "1 layers have a kind" in problem(tmp_path, kinds).message


def test_lists_of_kinds_are_read(tmp_path: Path) -> None:
    mimo = {"model_type": "mimo_v2_flash", "num_hidden_layers": 3, "hybrid_layer_pattern": [0, 1, 0]}
    found = row(tmp_path, mimo | {"moe_layer_freq": [0, 1, 1]}).shape
    assert found.layer_types == ("full_attention", "sliding_attention", "full_attention")
    assert found.moe is not None
    assert found.moe.dense_layers == (0,)
    llama4 = row(tmp_path, {"model_type": "llama4_text", "num_hidden_layers": 4, "moe_layers": [1, 3]}).shape
    assert llama4.moe is not None
    assert llama4.moe.dense_layers == (0, 2)
    indexers = {"index_topk_freq": 4, "index_skip_topk_offset": 3, "indexer_types": ["full"] * 3 + ["shared"]}
    glm = row(tmp_path, {"model_type": "glm_moe_dsa", "num_hidden_layers": 4} | indexers)
    assert glm.shape.indexer is not None
    assert (glm.shape.indexer.frequency, glm.shape.indexer.offset) == (4, 3)
    window = {"model_type": "qwen2", "num_hidden_layers": 3, "use_sliding_window": True, "max_window_layers": 1}
    assert row(tmp_path, window).shape.layer_types == ("full_attention", "sliding_attention", "sliding_attention")


@pytest.mark.parametrize(
    ("config", "router"),
    [
        ({"model_type": "mixtral"}, ("softmax", False, True, 1, 1, 1.0, "")),
        ({"model_type": "qwen3_moe"}, ("softmax", False, False, 1, 1, 1.0, "")),
        ({"model_type": "qwen3_moe", "norm_topk_prob": True}, ("softmax", False, True, 1, 1, 1.0, "")),
        ({"model_type": "deepseek_v3"}, ("sigmoid", True, True, 8, 4, 2.5, "")),
        (
            {"model_type": "kimi_k2", "n_group": 1, "topk_group": 1, "routed_scaling_factor": 2.827},
            ("sigmoid", True, True, 1, 1, 2.827, ""),
        ),
        ({"model_type": "glm4_moe", "routed_scaling_factor": 2.5}, ("sigmoid", True, True, 1, 1, 2.5, "")),
        ({"model_type": "deepseek"}, ("softmax", False, False, 1, 1, 1.0, "")),
        ({"model_type": "deepseek_v2", "num_experts_per_tok": 6}, ("softmax", False, False, 1, 1, 1.0, "")),
        (
            {"model_type": "deepseek_v2", "num_experts_per_tok": 6, "topk_method": "group_limited_greedy"}
            | {"n_group": 8, "topk_group": 3, "routed_scaling_factor": 16.0},
            ("softmax", False, False, 1, 1, 16.0, "groups chosen by their best expert"),
        ),
        ({"model_type": "ernie4_5_moe"}, ("softmax", True, True, 1, 1, 1.0, "")),
    ],
)
def test_the_router_is_read(tmp_path: Path, config: dict[str, Any], router: tuple[Any, ...]) -> None:
    moe = row(tmp_path, config).shape.moe
    assert moe is not None
    assert router == (
        moe.scoring_func,
        moe.score_correction_bias,
        moe.norm_topk_prob,
        moe.n_group,
        moe.topk_group,
        moe.routed_scaling_factor,
        moe.other_routing,
    )


TYPES = sorted(architectures()["architectures"])


@pytest.mark.parametrize("model_type", TYPES)
def test_no_value_of_any_key_is_too_much(model_type: str, tmp_path: Path) -> None:
    """Every key of every type, at values that it should not have: a shape or a problem, never an exception."""
    defaults = architectures()["architectures"][model_type]["defaults"]
    whole: dict[str, Any] = {"model_type": model_type}
    for key in defaults:
        outer, dot, inner = key.partition(".")
        for value in (None, 0, 1, 3, 10**9, True, "x", [], {}, -1, 0.5):
            config = whole | ({outer: {inner: value}} if dot else {key: value})
            assert isinstance(config_shape_or_problem(written(tmp_path, config)), tuple | ModelRow)


def config_shape_or_problem(path: str) -> ModelRow | ConfigProblem:
    found = read_config(path)
    if isinstance(found, ModelRow):
        assert found.parameters > 0
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama", "hidden_size": None}, "hidden_size is null"),
        ({"model_type": "chatglm", "num_layers": 28}, "lacks hidden_size, num_attention_heads, vocab_size"),
        ({"model_type": "deepseek_v32", "q_lora_rank": None}, "lacks q_lora_rank"),
        ({"model_type": "gemma4_text", "enable_moe_block": True, "num_experts": 8}, "lacks moe_intermediate_size"),
    ],
)
def test_what_is_open_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    assert problem(tmp_path, change).message == message


def test_the_schema_knows_every_key_that_is_read() -> None:
    schema = json.loads(Path(resource_path("schemas", "huggingface_config.schema.json")).read_bytes())
    Draft202012Validator.check_schema(schema)
    known = set(schema["$defs"]["text"]["properties"])
    for entry in architectures()["architectures"].values():
        assert {key for key in entry["defaults"] if "." not in key} <= known
