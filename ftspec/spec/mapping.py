"""A spec as nested plain mappings, the form that YAML and JSON can hold."""

from dataclasses import fields
from typing import Any

from ftspec.spec.kinds import Auto


def spec_to_mapping(block: Any) -> dict[str, Any]:
    """The written fields of a spec, or of one of its blocks, under their names in the language.

    What was not written is left out and `auto` is "auto"; numbers are in base units. The inverse is
    `ftspec.spec.schema.spec_from_mapping`.
    """
    written: dict[str, Any] = {}
    for each in fields(block):
        value = getattr(block, each.name)
        if value is None:
            continue
        if isinstance(value, Auto):
            value = "auto"
        elif isinstance(value, tuple):
            value = list(value)
        elif hasattr(value, "__dataclass_fields__"):
            value = spec_to_mapping(value)
        written[each.name.rstrip("_")] = value
    return written
