"""Settings: the dotted keys of a DeepSpeed configuration, each with its value and where the value comes from."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Setting(NamedTuple):
    """One key of the file. `origin` is the plan path that it carries (several joined by ", "), or `constant: why`."""

    key: str
    value: Any
    origin: str


def constant(key: str, value: Any, why: str) -> Setting:
    """A setting that no plan value decides."""
    return Setting(key, value, f"constant: {why}")


DEFAULT = object()
"""The value of a setting that stands for DeepSpeed's default, until the schema is read."""


def default_setting(key: str) -> Setting:
    """A key at DeepSpeed's own default, written so that another version's default changes nothing."""
    return Setting(key, DEFAULT, "constant: DeepSpeed's default, stated")


def nested(settings: Iterable[Setting]) -> dict[str, Any]:
    """The settings as the nested object that DeepSpeed reads, in their order."""
    root: dict[str, Any] = {}
    for setting in settings:
        *sections, name = setting.key.split(".")
        node = root
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = setting.value
    return root


def flattened(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The leaves of a nested object by dotted key; an empty object is a leaf."""
    leaves: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{path}.{name}" if path else name
        leaves.update(flattened(value, key) if isinstance(value, Mapping) and value else {key: value})
    return leaves
