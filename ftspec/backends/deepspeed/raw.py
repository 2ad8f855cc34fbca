"""Raw keys: `target deepspeed { raw { … } }`, checked against DeepSpeed's own schema and against the plan."""

from collections.abc import Iterator, Mapping
from typing import Any

from ftspec.backends.base import TargetOptions
from ftspec.backends.deepspeed.carried import owners
from ftspec.backends.deepspeed.raw_against_plan import contradictions_by_key, shown, without_effect
from ftspec.backends.deepspeed.raw_codes import DEPRECATED_KEY, REMOVED_KEY, UNKNOWN_KEY, WRONG_VALUE
from ftspec.backends.deepspeed.schema import deepspeed_schema, deepspeed_validator, subschema
from ftspec.backends.deepspeed.settings import flattened
from ftspec.core.finding import Finding
from ftspec.core.suggest import nearest
from ftspec.core.units import Quantity
from ftspec.plan.model import Plan


def raw_findings(plan: Plan, target: TargetOptions) -> list[Finding]:
    """What is wrong with the raw keys."""
    contradictions = dict(contradictions_by_key(plan, target))
    findings = list(_quantities(target.raw, target))
    for error in deepspeed_validator().iter_errors(target.raw):
        key = ".".join(part for part in error.absolute_path if isinstance(part, str))
        if key not in contradictions:
            findings += _explained(key, error, target)
    return [*findings, *contradictions.values(), *without_effect(plan, target), *_deprecated(target)]


def _quantities(values: Mapping[str, Any], target: TargetOptions) -> Iterator[Finding]:
    for key, value in flattened(values).items():
        if isinstance(value, Quantity):
            message = f"{key} has a unit, and DeepSpeed's file has plain numbers"
            yield WRONG_VALUE.finding(message, target.where(f"raw.{key}"), f"write the plain number, {value.number}")


def _explained(key: str, error: Any, target: TargetOptions) -> Iterator[Finding]:
    """The findings for one error of jsonschema."""
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in sorted(set(error.instance) - set(known)):
            yield _unknown(key, name, known, target)
    elif not isinstance(error.instance, Quantity):
        wanted = _wanted(error.schema)
        message = f"{key} = {shown(error.instance)} is not what DeepSpeed takes there"
        place = target.places.get(f"raw.{key}")
        span = target.where(f"raw.{key}") if place is None else place.value
        yield WRONG_VALUE.finding(message, span, f"write {wanted}" if wanted else None)


def _unknown(section: str, name: str, known: Mapping[str, Any], target: TargetOptions) -> Finding:
    key = f"{section}.{name}" if section else name
    span = target.where(f"raw.{key}")
    removed = deepspeed_schema()["x-removed"].get(key)
    if removed is not None:
        message = f"DeepSpeed has removed {key}: {removed.partition(' See ')[0].strip()}"
        return REMOVED_KEY.finding(message, span, f"leave {name} out")
    message = f"DeepSpeed has no key {name} {f'in {section}' if section else 'at the top level'}"
    if name == "kind" and f"raw.{key}" not in target.places:
        return UNKNOWN_KEY.finding(message, span, f"write {section} {{ … }} without a word before the braces")
    near = nearest(name, known)
    homes = [] if near else sorted(_homes(name, deepspeed_schema(), ""), key=lambda home: not home.startswith(section))
    return UNKNOWN_KEY.finding(
        message, span, f"write {near}" if near else f"it belongs in {homes[0]}" if homes else None
    )


def _homes(name: str, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """The sections that have a key of this name."""
    for section, inner in schema.get("properties", {}).items():
        home = f"{path}.{section}" if path else section
        if name in inner.get("properties", {}):
            yield home
        yield from _homes(name, inner, home)


_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "array": "a list",
    "object": "a block",
}


def _wanted(schema: Mapping[str, Any]) -> str:
    """What a schema takes, as a phrase; empty where it cannot be said in one."""
    if "enum" in schema:
        words = [str(each) for each in schema["enum"] if each is not None]
        return f"one of {', '.join(words)}"
    if "anyOf" in schema:
        return " or ".join(filter(None, (_wanted(part) for part in schema["anyOf"])))
    if "const" in schema:
        return f'"{schema["const"]}"'
    types = schema.get("type", ())
    words = [_WORDS[each] for each in ((types,) if isinstance(types, str) else types) if each in _WORDS]
    lowest, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    limit = f" of at least {lowest}" if lowest is not None else f" above {above}" if above is not None else ""
    return " or ".join(words) + limit


def _deprecated(target: TargetOptions) -> Iterator[Finding]:
    for key in flattened(target.raw):
        schema = subschema(tuple(key.split(".")))
        if schema.get("deprecated") and key not in owners():
            new = str(schema.get("new_param", ""))
            yield DEPRECATED_KEY.finding(
                f"{key} is deprecated", target.where(f"raw.{key}"), f"write {new}" if new else "leave it out"
            )
