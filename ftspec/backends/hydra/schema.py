"""The composed config's JSON Schema: what the emitted tree and every composed config are held to."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from ftspec.core.resources import resource_path


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(resource_path("schemas", "hydra.schema.json").read_bytes())
    return Draft202012Validator(schema)


def tree_problems(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a resolved config without raw keys: dotted key ("" for the whole) and what is the matter."""
    problems = sorted(_validator().iter_errors(config), key=lambda error: [str(part) for part in error.absolute_path])
    return [(".".join(str(part) for part in problem.absolute_path), problem.message) for problem in problems]
