"""The JSON Schema of a spec, and specs from mappings: the same annotations, read by pydantic.

Imported only where it is used: pydantic costs more to start than a whole check.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ftspec.core.finding import Finding
from ftspec.spec.fields import fields_of, kind_words
from ftspec.spec.model import Spec
from ftspec.spec.typed_codes import MISSING_KIND, OUT_OF_RANGE, UNKNOWN_FIELD, UNKNOWN_WORD, WRONG_TYPE

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


_RULES = {
    "unexpected_keyword_argument": UNKNOWN_FIELD,
    "literal_error": UNKNOWN_WORD,
    "union_tag_invalid": UNKNOWN_WORD,
    "union_tag_not_found": MISSING_KIND,
    "missing_kind": MISSING_KIND,
    "value_error": OUT_OF_RANGE,
}


def spec_from_mapping(mapping: Mapping[str, Any]) -> tuple[Spec | None, list[Finding]]:
    """A spec from nested plain values, as `spec_to_mapping` makes them; None with findings if it is not one.

    Numbers are in base units (bytes, bytes per second, seconds, dollars), `auto` is "auto", and a block that
    has a word before it in the language says the word under `kind`. A finding's message begins with the path.
    """
    try:
        return spec_adapter().validate_json(json.dumps(mapping, allow_nan=False)), []
    except ValidationError as error:
        return None, [_finding(problem) for problem in error.errors(include_url=False)]
    except (TypeError, ValueError, RecursionError) as error:
        return None, [WRONG_TYPE.finding(f"the mapping does not hold plain values: {error}", help=_PLAIN)]


_PLAIN = "give strings, numbers, true or false, lists and mappings"


def _finding(problem: Any) -> Finding:
    path = ".".join(str(part) for part in problem["loc"]) or "the mapping"
    rule = _RULES.get(problem["type"], WRONG_TYPE)
    return rule.finding(
        f"`{path}`: {problem['msg']}", help=f"the field's values are in `ftspec schema spec` under {path}"
    )


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
