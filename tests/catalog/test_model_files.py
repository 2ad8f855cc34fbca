"""The models' data files: valid, indexed, complete, and every count equal to what the shape gives."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ftspec.catalog import models
from ftspec.catalog.models import ModelRow, find_model, model_ids
from ftspec.catalog.parameters import active_parameters, all_layer_parameters, count_parameters
from ftspec.catalog.write_index import index_text
from ftspec.core.resources import resource_path
from tests.reference import reference_json

MODELS_FOLDER = Path(models.MODELS_FOLDER)
SCHEMA = Draft202012Validator(json.loads(Path(resource_path("schemas", "models.schema.json")).read_bytes()))
FILES = sorted(path for path in MODELS_FOLDER.glob("*.json") if path.name != "index.json")


def row_of(identifier: str) -> ModelRow:
    row = find_model(identifier)
    assert isinstance(row, ModelRow)
    return row


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_family_file_fits_the_schema(path: Path) -> None:
    assert [error.message for error in SCHEMA.iter_errors(json.loads(path.read_bytes()))] == []


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA.schema)


@pytest.mark.parametrize(
    "change",
    [{"hidden_size": 0}, {"mlp": "wide"}, {"hiden_size": 4096}, {"moe": {"num_experts": 8}}, {"vocab_size": "32000"}],
)
def test_the_schema_refuses_a_wrong_shape(change: dict[str, object]) -> None:
    file = json.loads((MODELS_FOLDER / "llama2.json").read_bytes())
    file["models"][0]["shape"] |= change
    assert not SCHEMA.is_valid(file)


def test_the_index_is_what_the_files_hold() -> None:
    assert (MODELS_FOLDER / "index.json").read_text(encoding="utf-8") == index_text(MODELS_FOLDER)


def test_no_two_rows_have_one_id() -> None:
    identifiers = [row["id"].lower() for path in FILES for row in json.loads(path.read_bytes())["models"]]
    assert len(identifiers) == len(set(identifiers)) == len(model_ids())


@pytest.mark.parametrize("identifier", model_ids())
def test_a_row_states_what_its_shape_counts(identifier: str) -> None:
    row = row_of(identifier)
    assert row.id == identifier
    assert row.source
    assert count_parameters(row.shape) == row.parameters
    assert 0 < active_parameters(row.shape) <= row.parameters


def test_every_model_of_the_reference_is_there_with_its_counts() -> None:
    for reference in reference_json("catalog/models.json")["models"]:
        row = row_of(reference["id"])
        assert row.parameters == reference["parameters_total"], row.id
        assert active_parameters(row.shape) == reference["parameters_active"], row.id
        assert row.multimodal_parameters == reference["parameters_total_multimodal"], row.id


def test_routed_and_shared_experts_are_the_reference_s() -> None:
    for reference in reference_json("catalog/models.json")["models"]:
        parts = reference["parameters_breakdown"]
        layers = all_layer_parameters(row_of(reference["id"]).shape)
        assert sum(layer.routed_experts for layer in layers) == parts.get("routed_experts", 0), reference["id"]
        assert sum(layer.shared_experts for layer in layers) == parts.get("shared_experts", 0), reference["id"]


def test_a_model_can_be_added_as_the_guide_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")
    example = guide.split("```json\n")[1].split("```")[0]
    (tmp_path / "example.json").write_text(example, encoding="utf-8")
    (tmp_path / "index.json").write_text(index_text(tmp_path), encoding="utf-8")
    monkeypatch.setattr(models, "MODELS_FOLDER", str(tmp_path))
    for cached in (models.find_model, models.model_ids, models.family_rows):
        cached.cache_clear()
    try:
        assert SCHEMA.is_valid(json.loads(example))
        row = row_of("our-7b")
        assert count_parameters(row.shape) == row.parameters
    finally:
        for cached in (models.find_model, models.model_ids, models.family_rows):
            cached.cache_clear()
