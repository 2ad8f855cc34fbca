"""The JSON Schema of a spec, and specs from mappings: the same annotations, read by pydantic.

Imported only where it is used: pydantic costs more to start than a whole check.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ftspec.spec.fields import fields_of, kind_words
from ftspec.spec.model import Spec

_CONFIG = ConfigDict(extra="forbid", strict=True, alias_generator=lambda name: name.rstrip("_"))


def _blocks(kind: type[Any]) -> list[type[Any]]:
    """The dataclasses below one and itself, innermost first."""
    inner = [block for field in fields_of(kind).values() for block in field.accepts.blocks]
    return [*(each for block in inner for each in _blocks(block)), kind]


@cache
def spec_adapter() -> TypeAdapter[Spec]:
    """Pydantic's validator of a spec: strict, unknown keys refused, keys as in the language (`from`)."""
    for block in _blocks(Spec):
        block.__pydantic_config__ = _CONFIG
    return TypeAdapter(Spec)


class InvalidMapping(ValueError):
    """A mapping that is not a spec. The message has one line a problem, each beginning with the dotted path."""


def spec_from_mapping(mapping: Mapping[str, Any]) -> Spec:
    """A spec from nested plain values, as `spec_to_mapping` makes them. Raises InvalidMapping.

    Numbers are in base units (bytes, bytes per second, seconds, dollars), `auto` is "auto", and a block that
    has a word before it in the language says the word under `kind`.
    """
    try:
        text = json.dumps(mapping, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMapping(f"the mapping does not hold plain values: {error}") from error
    try:
        return spec_adapter().validate_json(text)
    except ValidationError as error:
        raise InvalidMapping("\n".join(map(_problem_line, error.errors(include_url=False)))) from error


def _problem_line(problem: Any) -> str:
    return f"{'.'.join(str(part) for part in problem['loc']) or 'the mapping'}: {problem['msg']}"


def export_schema() -> dict[str, Any]:
    """The JSON Schema of a spec as a mapping (schemas/spec.schema.json holds it)."""
    exported = spec_adapter().json_schema(by_alias=True)
    for block in _blocks(Spec):
        definition = exported.get("$defs", {}).get(block.__name__)
        if definition is not None and kind_words(block):
            definition["required"] = ["kind"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **exported}


def schema_text() -> str:
    """The text of schemas/spec.schema.json."""
    return json.dumps(export_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
