"""The counts that a shape gives, in all and layer by layer, are those of the real class, for every catalog row."""

from dataclasses import replace

import pytest

from ftspec.catalog.models import ModelRow, find_model, model_ids
from ftspec.catalog.parameters import all_layer_parameters, count_parameters
from tests.oracles.transformers_models import real_parameters, transformers_config


def _distinct_rows() -> list[ModelRow]:
    """One row for each shape: models that differ in name alone would be built twice."""
    rows = {}
    for identifier in model_ids():
        row = find_model(identifier)
        assert isinstance(row, ModelRow)
        counted = replace(row.shape, norm_epsilon=None, rope_theta=None, rope_scaling=None, partial_rotary_factor=1.0)
        rows.setdefault((row.model_type, counted), row)
    return list(rows.values())


@pytest.mark.parametrize("row", _distinct_rows(), ids=lambda row: row.id)
def test_a_shape_counts_what_the_real_class_has(row: ModelRow) -> None:
    real = real_parameters(transformers_config(row))
    assert count_parameters(row.shape) == real.total
    assert tuple(layer.total for layer in all_layer_parameters(row.shape)) == real.layers


def test_the_rows_cover_what_differs_between_models() -> None:
    shapes = [row.shape for row in _distinct_rows()]
    assert {shape.tie_word_embeddings for shape in shapes} == {True, False}
    assert {shape.attention_bias for shape in shapes} == {"none", "all", "qkv_only", "out_only"}
    assert {shape.norm for shape in shapes} == {"rmsnorm", "layernorm", "layernorm_nobias", "none"}
    assert {shape.position for shape in shapes} == {"rope", "learned", "alibi"}
    kinds = {"mixtral", "qwen3_moe", "deepseek_v3", "deepseek_v2", "qwen3_next", "nemotron_h", "deepseek_v4"}
    assert kinds <= {row.model_type for row in _distinct_rows()}
