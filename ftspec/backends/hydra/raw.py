"""`raw { … }`: what is merged into config.yaml as it is. Interpolations in it are OmegaConf's, and live."""

from collections.abc import Iterator, Mapping
from typing import Any

from ftspec.core.units import Quantity

GROUPS = ("model", "hardware", "precision", "parallelism", "training", "storage", "launcher")
"""The config groups."""

OWN_KEYS = ("name", *GROUPS, "ftspec")
"""The keys of the composed config that ftspec writes."""


def plain_raw(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The raw keys as YAML can hold them: a quantity is its number in base units."""
    return {key: _plain(value) for key, value in raw.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Quantity):
        return value.number
    if isinstance(value, Mapping):
        return plain_raw(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def raw_strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every string of a raw value, keys included, with the dotted path of the key that it is under."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from raw_strings(item, f"{path}.{key}")
    elif isinstance(value, list | tuple) and not isinstance(value, Quantity):
        for item in value:
            yield from raw_strings(item, path)
