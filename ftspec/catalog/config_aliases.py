"""The two names that some keys of a config.json have: transformers' `attribute_map`."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from ftspec.core.resources import json_beside


@cache
def _aliases() -> Mapping[str, Mapping[str, str]]:
    table: dict[str, dict[str, str]] = json_beside(__file__, "config_aliases.json")["aliases"]
    return table


def under_both_names(config: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """The config with each value that it gives under one name of a pair under the other, too."""
    filled = dict(config)
    for alias, name in _aliases().get(model_type, {}).items():
        for given, other in ((alias, name), (name, alias)):
            if given in config:
                filled.setdefault(other, config[given])
    return filled
