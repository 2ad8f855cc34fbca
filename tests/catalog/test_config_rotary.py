"""The rotary base, share and scaling and the norm's epsilon of a config.json, in both styles of transformers."""

import json
from pathlib import Path
from typing import Any

import pytest

from ftspec.catalog.huggingface import ConfigProblem, read_config
from ftspec.catalog.models import ModelRow
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import RopeScaling

OTHER = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 100,
}
LLAMA3 = {"factor": 8, "original_max_position_embeddings": 8192, "low_freq_factor": 1, "high_freq_factor": 4}


def read(folder: Path, config: dict[str, Any]) -> ModelRow | ConfigProblem:
    path = folder / "config.json"
    path.write_text(json.dumps(OTHER | {"intermediate_size": 128} | config), encoding="utf-8")
    return read_config(str(path))


def shape(folder: Path, config: dict[str, Any]) -> ModelShape:
    row = read(folder, config)
    assert isinstance(row, ModelRow), row
    return row.shape


@pytest.mark.parametrize(
    ("config", "theta", "epsilon", "share"),
    [
        ({"model_type": "llama"}, 1e4, 1e-6, 1.0),
        ({"model_type": "llama", "rope_theta": 500000, "rms_norm_eps": 1e-5}, 5e5, 1e-5, 1.0),
        ({"model_type": "llama", "rope_parameters": {"rope_theta": 7, "rope_type": "default"}}, 7.0, 1e-6, 1.0),
        ({"model_type": "llama", "rope_theta": None, "rms_norm_eps": None}, 1e4, None, 1.0),
        ({"model_type": "mixtral"}, 1e6, 1e-5, 1.0),
        ({"model_type": "gpt_neox", "rotary_emb_base": 500, "rotary_pct": 1.0, "layer_norm_eps": 1e-7}, 500.0, 1e-7, 1),
        ({"model_type": "gpt_neox"}, 1e4, 1e-5, 0.25),
        ({"model_type": "phi", "partial_rotary_factor": 0.4}, 1e4, 1e-5, 0.4),
        ({"model_type": "minimax_m2", "rotary_dim": 64, "head_dim": 128}, 5e6, 1e-6, 0.5),
        ({"model_type": "gpt2"}, None, 1e-5, 1.0),
        ({"model_type": "falcon", "alibi": True}, None, 1e-5, 1.0),
        ({"model_type": "gemma3_text"}, None, 1e-6, 1.0),
        ({"model_type": "internlm2"}, None, 1e-6, 1.0),
        ({"model_type": "internlm2", "rope_theta": 1000000, "rms_norm_eps": 1e-5}, 1e6, 1e-5, 1.0),
        ({"model_type": "new_net"}, None, None, 1.0),
        ({"model_type": "new_net", "rope_theta": 3, "layer_norm_eps": 0.5}, 3.0, 0.5, 1.0),
    ],
)
def test_base_epsilon_and_share(
    config: dict[str, Any], theta: float | None, epsilon: float | None, share: float, tmp_path: Path
) -> None:
    found = shape(tmp_path, config)
    assert (found.rope_theta, found.norm_epsilon, found.partial_rotary_factor) == (theta, epsilon, share)
    assert found.rope_scaling is None


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ({"rope_type": "llama3", **LLAMA3}, RopeScaling("llama3", 8.0, 8192, 1.0, 4.0)),
        ({"type": "linear", "factor": 4}, RopeScaling("linear", 4.0)),
        ({"type": "su", "long_factor": [1.0], "short_factor": [1.0]}, RopeScaling("longrope")),
        ({"type": "mrope", "mrope_section": [8, 4, 4]}, None),
        ({"rope_type": "yarn", "factor": 2, "mscale": 0.7, "truncate": False, "beta_fast": None},
         RopeScaling("yarn", 2.0, mscale=0.7, truncate=False)),
        ({"rope_type": "future"}, RopeScaling("future")),
        ({}, None),
        (None, None),
    ],
)  # fmt: skip
def test_scaling(scaling: dict[str, Any] | None, expected: RopeScaling | None, tmp_path: Path) -> None:
    old = shape(tmp_path, {"model_type": "llama", "rope_theta": 5, "rope_scaling": scaling})
    assert (old.rope_theta, old.rope_scaling) == (5.0, expected)
    new = shape(tmp_path, {"model_type": "llama", "rope_parameters": scaling and {"rope_theta": 5, **scaling}})
    assert new.rope_scaling == expected


def test_scaling_that_differs_between_layers_is_not_known(tmp_path: Path) -> None:
    each = {"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}}
    assert shape(tmp_path, {"model_type": "llama", "rope_parameters": each}).rope_theta is None


def test_an_original_length_beside_the_scaling(tmp_path: Path) -> None:
    config = {"model_type": "phi3", "original_max_position_embeddings": 4096, "rope_scaling": {"type": "longrope"}}
    assert shape(tmp_path, config).rope_scaling == RopeScaling("longrope", None, 4096)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rope_theta": 0}, "rope_theta is 0"),
        ({"rope_theta": "10000"}, 'rope_theta is "10000"'),
        ({"rms_norm_eps": -1e-5}, "rms_norm_eps is -1e-05"),
        ({"rope_scaling": "llama3"}, 'rope_scaling is "llama3"'),
        ({"rope_scaling": {"rope_type": 3}}, "rope_scaling.rope_type is 3"),
        ({"rope_parameters": {"factor": "8"}}, 'rope_parameters.factor is "8"'),
        ({"rope_parameters": {"original_max_position_embeddings": 0}},
         "rope_parameters.original_max_position_embeddings is 0"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(config: dict[str, Any], message: str, tmp_path: Path) -> None:
    found = read(tmp_path, {"model_type": "llama"} | config)
    assert isinstance(found, ConfigProblem)
    assert found.message == message


def test_nothing_of_it_changes_a_count(tmp_path: Path) -> None:
    plain = read(tmp_path, {"model_type": "llama"})
    config = {"model_type": "llama", "rope_theta": 5, "rms_norm_eps": 0.1, "rope_scaling": {"rope_type": "llama3"}}
    other = read(tmp_path, config)
    assert isinstance(plain, ModelRow)
    assert isinstance(other, ModelRow)
    assert plain.parameters == other.parameters
