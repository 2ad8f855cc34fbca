"""The spec's JSON Schema, specs from mappings, and the law that the two readers of the annotations agree."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.core.resources import resource_path
from ftspec.core.units import Dimension, Quantity
from ftspec.spec.fields import Accepts, spec_paths
from ftspec.spec.kinds import AUTO
from ftspec.spec.mapping import spec_to_mapping
from ftspec.spec.model import Spec
from ftspec.spec.schema import schema_text, spec_from_mapping
from ftspec.spec.typed import build
from ftspec.spec.values import Word
from tests.spec.lowering import clean
from tests.spec.test_lower import WHOLE


def test_the_schema_file_is_the_export() -> None:
    assert resource_path("schemas", "spec.schema.json").read_text(encoding="utf-8") == schema_text()


def test_every_field_has_a_description_that_ends_as_a_sentence() -> None:
    exported = json.loads(schema_text())
    properties = [
        (name, key, field)
        for name, definition in [("Spec", exported), *exported["$defs"].items()]
        for key, field in definition.get("properties", {}).items()
    ]
    assert len(properties) >= len({(kind, field.key) for kind, field in spec_paths().values()})
    for name, key, field in properties:
        assert field.get("description", "").endswith((".", ")")), f"{name}.{key}"


def test_a_spec_survives_the_way_through_a_mapping() -> None:
    spec = clean(WHOLE, 'training.method=lora { rank = 8  targets = ["q_proj"] }', "model.mlp=gated").spec
    mapping = json.loads(json.dumps(spec_to_mapping(spec)))
    jsonschema.Draft202012Validator(json.loads(schema_text())).validate(mapping)
    assert spec_from_mapping(mapping) == (spec, [])
    assert spec_from_mapping(spec_to_mapping(Spec())) == (Spec(), [])


@pytest.mark.parametrize(
    ("mapping", "code", "path"),
    [
        ({"modle": {}}, "FT120", "modle"),
        ({"parallelism": {"tensr": 2}}, "FT120", "parallelism.tensr"),
        ({"parallelism": {"tensor": 0}}, "FT123", "parallelism.tensor"),
        ({"parallelism": {"tensor": "2"}}, "FT121", "parallelism.tensor"),
        ({"training": {"sequence_length": 4.5}}, "FT121", "training.sequence_length"),
        ({"training": {"method": {"rank": 2}}}, "FT129", "training.method"),
        ({"training": {"method": {"kind": "adalora"}}}, "FT125", "training.method"),
        ({"training": {"optimizer": {"beta1": 0.9}}}, "FT129", "training.optimizer"),
        ({"precision": {"compute": "bf61"}}, "FT125", "precision.compute"),
        ({"name": "a/b"}, "FT123", "name"),
        ({"name": float("nan")}, "FT121", "plain values"),
        ({"name": object()}, "FT121", "plain values"),
    ],
)
def test_a_wrong_mapping_is_a_finding(mapping: dict[str, Any], code: str, path: str) -> None:
    spec, findings = spec_from_mapping(mapping)
    assert spec is None
    assert findings[0].code == code
    assert path in findings[0].message


LEAVES = sorted(
    path for path, (_, field) in spec_paths().items() if not (field.accepts.blocks and not field.accepts.string)
)
_NUMBERS = st.one_of(
    st.integers(-2, 5),
    st.sampled_from([2**31 - 1, 2**31, 2**63 - 1, 2**63]),
    st.floats(-2, 2, allow_nan=False),
    st.sampled_from([1e12, 1e13, 1e18, 1.1e18, 1e30, 1e31]),
)
_TEXTS = st.one_of(st.sampled_from(["", "x", "a/b", "-x", ".x", " x", "a\tb", "x" * 101]), st.text(max_size=3))


def _candidates(accepts: Accepts) -> st.SearchStrategy[Any]:
    words = st.sampled_from([str(word) for word in accepts.words] or ["none"])
    return st.one_of(
        _NUMBERS, st.booleans(), words, _TEXTS, st.lists(_TEXTS, max_size=2), st.just(AUTO), st.just("bf16")
    )


def _in_language(value: Any, accepts: Accepts) -> Any:
    """A mapping's value as the language's: words bare, numbers with the field's dimension, whole numbers whole."""
    if isinstance(value, str) and not accepts.string:
        return Word(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and (accepts.integer or accepts.real):
        number = int(value) if value == int(value) else value
        dimension = accepts.number.dimension
        return number if dimension is Dimension.NUMBER else Quantity(number, dimension)
    return value


def _as_mapping(value: Any) -> Any:
    if value is AUTO:
        return "auto"
    return int(value) if isinstance(value, float) and value == int(value) else value


def _method_kind(parts: list[str]) -> str | None:
    owners = {"rank": "qlora", "alpha": "qlora", "dropout": "qlora", "targets": "qlora", "adapter_dtype": "qlora"}
    owners |= {"quantization": "qlora", "double_quantization": "qlora"}
    owners |= {"last_layers": "partial", "embeddings": "partial", "head": "partial", "kind": "full"}
    return owners[parts[-1]] if parts[:2] == ["training", "method"] else None


_NEEDED_KINDS = {"optimizer": "lion", "activation_checkpointing": "full", "learning_rate_scheduler": "cosine"}


def _nested(path: str, value: Any, word: type[str]) -> dict[str, Any]:
    """The nested mapping with one value, and the kinds that its blocks need."""
    parts = path.split(".")
    nested: dict[str, Any] = {parts[-1]: value}
    for index in range(len(parts) - 2, -1, -1):
        kind = _NEEDED_KINDS.get(parts[index]) or (_method_kind(parts) if parts[index] == "method" else None)
        if kind is not None:
            nested.setdefault("kind", word(kind))
        nested = {parts[index]: nested}
    return nested


@settings(max_examples=800, deadline=None)
@given(st.data())
def test_the_language_and_pydantic_accept_the_same_values(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(LEAVES))
    if path == "training.method.kind":
        return
    accepts = spec_paths()[path][1].accepts
    value = data.draw(_candidates(accepts))
    if value == "auto" and accepts.string:
        value = AUTO
    built, wrong = build(Spec, _nested(path, _in_language(value, accepts), Word), {})
    validated, problems = spec_from_mapping(_nested(path, _as_mapping(value), str))
    if value is AUTO and not accepts.auto and accepts.string:
        assert wrong
        assert not problems, "in a mapping a string field may hold the string auto"
        return
    assert bool(wrong) == bool(problems), (path, value, wrong, problems)
    if not wrong:
        assert built == validated
