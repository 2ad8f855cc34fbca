"""Models of the catalog. One data file a family, and an index that says which file holds which id."""

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from ftspec.catalog.names import NoMatch, find_model_id, nearest
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_json import shape_from_json
from ftspec.core.record import record

MODELS_FOLDER = os.path.join(os.path.dirname(__file__), "models")


@record
class ModelRow:
    """One model: its shape, and its exact parameter count (text decoder only, tied weights once).

    `architecture` is the repository's class, `model_type` that of the transformers config whose class counts
    the same. `multimodal_parameters` is the count with the vision tower, where there is one. `confidence` says
    how the row is known: file (compared with the cited file), package (defaults of the config class), recalled.
    `remark` is what the user should know of how the row was read, "" where there is nothing.
    """

    id: str
    family: str
    architecture: str
    model_type: str
    shape: ModelShape
    parameters: int
    source: str
    confidence: str
    multimodal_parameters: int | None = None
    remark: str = ""


@cache
def family_rows(name: str) -> dict[str, Any]:
    """The rows of one family as its data file has them, by id."""
    with open(os.path.join(MODELS_FOLDER, f"{name}.json"), "rb") as file:
        rows = json.load(file)["models"]
    return {row["id"]: row for row in rows}


@cache
def model_ids() -> Mapping[str, str]:
    """The family of every model id, in the order of the index."""
    with open(os.path.join(MODELS_FOLDER, "index.json"), "rb") as file:
        index = json.load(file)
    return {identifier: family for family, identifiers in index["families"].items() for identifier in identifiers}


@cache
def find_model(name: str) -> ModelRow | NoMatch:
    """The model that a catalog id or short name means (`find_model_id` has the rules)."""
    ids = model_ids()
    identifier = name if name in ids else find_model_id(name, tuple(ids))
    if isinstance(identifier, NoMatch):
        return identifier
    row = family_rows(ids[identifier])[identifier]
    return ModelRow(
        **{key: value for key, value in row.items() if key != "shape"},
        family=ids[identifier],
        shape=shape_from_json({**row["shape"], "model_type": row["model_type"]}),
    )


def model_suggestions(name: str) -> tuple[str, ...]:
    """The model ids most like a name, best first."""
    return nearest(name, model_ids())
