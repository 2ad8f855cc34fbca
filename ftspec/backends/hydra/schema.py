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
    problems = [_narrowest(problem) for problem in _validator().iter_errors(config)]
    return sorted((".".join(str(part) for part in problem.absolute_path), _message(problem)) for problem in problems)


def _narrowest(problem: Any) -> Any:
    """Of a value that fits none of several schemas: what is wrong with it under the one that comes nearest."""
    inner = [each for each in problem.context if each.validator not in ("type", "enum") or len(each.path) > 0]
    return _narrowest(max(inner, key=lambda each: len(each.absolute_path))) if inner else problem


def _message(problem: Any) -> str:
    if problem.validator == "anyOf":
        return f"{problem.instance!r} is not {' or '.join(map(_described, problem.schema['anyOf'][::-1]))}"
    return str(problem.message)


def _described(schema: Mapping[str, Any]) -> str:
    """A choice of the schema in words."""
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kind = str(schema.get("type", "one of several"))
    limits = [f"at least {schema['minimum']:g}"] if "minimum" in schema else []
    limits += [f"above {schema['exclusiveMinimum']:g}"] if "exclusiveMinimum" in schema else []
    return " of ".join([kind, *limits])
