"""Numbers about frameworks, read from `facts.json`; every one has its source there."""

from functools import cache
from typing import Any

from ftspec.core.resources import json_beside


@cache
def _facts() -> Any:
    return json_beside(__file__, "facts.json")


@cache
def fact(group: str, name: str) -> int:
    """A number of a group, such as `fact("deepspeed", "reduce_bucket_elements")`."""
    return int(_facts()[group][name]["value"])
