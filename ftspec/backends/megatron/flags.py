"""The flags that Megatron knows, from the schema of its own parser: names, types, choices, near misses."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from ftspec.core.resources import resource_path
from ftspec.core.suggest import nearest

Schema = Mapping[str, Any]

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "string": ((str,), "a text"),
}


@cache
def arguments_schema() -> Schema:
    """The JSON Schema of `arguments.yaml`."""
    with open(resource_path("schemas", "megatron_arguments.schema.json"), encoding="utf-8") as file:
        schema: Schema = json.load(file)
    return schema


def flag_schema(flag: str) -> Schema:
    """The schema of one flag's value. Raises KeyError for a flag that Megatron does not have."""
    schema: Schema = arguments_schema()["properties"][flag]
    return schema


def destination(flag: str) -> str:
    """The attribute of Megatron's `args` that a flag sets."""
    return str(flag_schema(flag)["x-destination"])


def find_flag(key: str) -> str | None:
    """The flag that a key means: dashes before it do not count, and underscores stand for dashes."""
    return _flags_by_name().get(_plain(key))


def similar_flag(key: str) -> str | None:
    """The flag that was probably meant; a name of Megatron's `args` (`add_bias_linear`) finds its flag too."""
    name = _plain(key)
    by_destination = _flags_by_destination()
    if name in by_destination:
        return by_destination[name]
    return nearest(name, _flags_by_name().values())


def value_problem(value: Any, schema: Schema) -> str | None:
    """What a flag takes, as a phrase, if it does not take this value; else None."""
    return None if _accepts(value, schema) else _wanted(schema)


@cache
def _flags_by_name() -> Mapping[str, str]:
    flags = sorted(arguments_schema()["properties"], key=lambda flag: "_" in flag, reverse=True)
    return {_plain(flag): flag for flag in flags}


@cache
def _flags_by_destination() -> Mapping[str, str]:
    properties = arguments_schema()["properties"]
    return {_plain(schema["x-destination"]): flag for flag, schema in reversed(properties.items())}


def _plain(key: str) -> str:
    return key.lstrip("-").replace("_", "-")


def _accepts(value: Any, schema: Schema) -> bool:
    if "anyOf" in schema:
        return any(_accepts(value, each) for each in schema["anyOf"])
    if "const" in schema:
        return value is True
    if "enum" in schema:
        return not isinstance(value, bool) and value in schema["enum"]
    if schema["type"] == "array":
        fewest, most = schema.get("minItems", 0), schema.get("maxItems")
        return (
            isinstance(value, list | tuple)
            and len(value) >= fewest
            and (most is None or len(value) <= most)
            and all(_accepts(each, schema["items"]) for each in value)
        )
    return isinstance(value, _TYPES[schema["type"]][0]) and not isinstance(value, bool) and _matches(value, schema)


def _matches(value: Any, schema: Schema) -> bool:
    """The pattern of a text; a number must be finite."""
    if isinstance(value, float):
        return value - value == 0
    if "pattern" not in schema:
        return True
    import re

    return re.search(schema["pattern"], value) is not None


def _wanted(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_wanted(each) for each in schema["anyOf"])
    if "const" in schema:
        return "no value (write true)"
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if schema["type"] == "array":
        count = schema["minItems"] if schema.get("minItems") == schema.get("maxItems") else None
        return f"a list of {count}" if count else f"a list, each {_wanted(schema['items'])}"
    if "pattern" in schema:
        return "an expression such as " + ('"([0]*3+[1]*58)"' if "[" in schema["pattern"][10:] else '"4096,0"')
    return _TYPES[schema["type"]][1]
