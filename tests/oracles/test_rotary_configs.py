"""Rotary positions and epsilons: the table's defaults are the classes', and every row survives a real config.json."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import CONFIG_MAPPING

from ftspec.catalog.config_shape import architectures
from ftspec.catalog.huggingface import read_config
from ftspec.catalog.models import ModelRow, find_model, model_ids
from ftspec.catalog.shape import ModelShape
from tests.oracles.transformers_models import TEXT_MODELS, transformers_config

TYPES = sorted(set(architectures()["architectures"]) - {"chatglm"})
"""All but the one whose class is in its own repository."""

FIXED_EPSILONS = {"opt": 1e-5, "olmo": 1e-5, "dbrx": 1e-5}
"""Types whose config has no epsilon: their classes use torch's default, or pass this one."""

NOT_READ = {"dbrx", "gptj"}
"""Types whose model takes a rotary base from elsewhere than rope_parameters."""


def shape_of(config: dict[str, Any], folder: Path) -> ModelShape:
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    row = read_config(str(path))
    assert isinstance(row, ModelRow), row
    return row.shape


def class_rotary(config: dict[str, Any], model_type: str) -> dict[str, Any]:
    """The one description of rotary positions that a class's defaults give, {} where there is none or several."""
    parameters: dict[str, Any] = config.get("rope_parameters") or {}
    several = any(isinstance(each, dict) for each in parameters.values())
    return {} if several or model_type in NOT_READ else parameters


@pytest.mark.parametrize("model_type", TYPES)
def test_the_defaults_are_those_of_the_class(model_type: str, tmp_path: Path) -> None:
    config = CONFIG_MAPPING[model_type]().to_dict()
    heads = config.get("num_attention_heads") or config.get("n_heads")
    found = shape_of({"model_type": model_type, "num_key_value_heads": heads, "num_experts_per_tok": 1}, tmp_path)
    rotary = class_rotary(config, model_type)
    assert found.rope_theta == rotary.get("rope_theta")
    assert found.partial_rotary_factor == rotary.get("partial_rotary_factor", 1.0)
    assert (found.rope_scaling is None) == (rotary.get("rope_type", "default") == "default")
    names = ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps", "norm_eps", "norm_epsilon")
    epsilons = [config[name] for name in names if name in config]
    assert [found.norm_epsilon] == (epsilons or [FIXED_EPSILONS.get(model_type)])


@pytest.mark.parametrize("identifier", model_ids())
def test_a_row_s_values_survive_a_config(identifier: str, tmp_path: Path) -> None:
    row = find_model(identifier)
    assert isinstance(row, ModelRow)
    text = transformers_config(row).to_dict()
    outer = {"text_config": text} if row.model_type in TEXT_MODELS else text
    found = shape_of(outer, tmp_path)
    if row.shape.norm_epsilon is not None:
        assert found.norm_epsilon == row.shape.norm_epsilon
    if row.shape.rope_theta is not None:
        assert found.rope_theta == row.shape.rope_theta
        assert found.partial_rotary_factor == row.shape.partial_rotary_factor
        assert found.rope_scaling == row.shape.rope_scaling


def test_most_rows_are_known() -> None:
    rows = [row for row in map(find_model, model_ids()) if isinstance(row, ModelRow)]
    rotary = [row for row in rows if row.shape.position == "rope"]
    assert sum(row.shape.rope_theta is not None for row in rotary) > 0.8 * len(rotary)
    assert sum(row.shape.norm_epsilon is not None for row in rows) > 0.9 * len(rows)
