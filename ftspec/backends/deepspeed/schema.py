"""DeepSpeed's own schema, read when it is needed: reading it costs more than a whole check."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from ftspec.backends.deepspeed.settings import DEFAULT, Setting
from ftspec.core.resources import resource_path


@cache
def deepspeed_schema() -> Mapping[str, Any]:
    """The JSON Schema of the whole file, with the version of DeepSpeed that it was made from under `x-source`."""
    schema: Mapping[str, Any] = json.loads(resource_path("schemas", "deepspeed.schema.json").read_text("utf-8"))
    return schema


@cache
def deepspeed_validator() -> Any:
    """A jsonschema validator for the whole file."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(deepspeed_schema())


def subschema(path: tuple[str | int, ...]) -> Mapping[str, Any]:
    """The schema of a key; empty for a key that there is none of."""
    node: Any = deepspeed_schema()
    for name in path:
        node = node.get("properties", {}).get(name, {})
    return dict(node)


def with_value(setting: Setting) -> Setting:
    """The setting itself, or a `default_setting` with DeepSpeed's value.

    Raises KeyError for a key without a default (a fault of ours).
    """
    if setting.value is not DEFAULT:
        return setting
    return setting._replace(value=subschema(tuple(setting.key.split(".")))["default"])
