"""Raw flags: held to Megatron's own parser, and never against the plan."""

from collections.abc import Iterator, Mapping
from typing import Any

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.argument import Value
from ftspec.backends.megatron.compilation import planned_arguments, with_raw
from ftspec.backends.megatron.flags import find_flag, flag_schema, similar_flag, value_problem
from ftspec.backends.megatron.owners import RETIRED, ROUTER, SPEC_FIELDS, VARIANTS
from ftspec.backends.megatron.raw_codes import (
    DEPRECATED,
    EXCLUDED,
    NEEDED,
    OWNED,
    REFUSED,
    TEXT,
    TWICE,
    UNKNOWN,
    VALUE,
)
from ftspec.backends.megatron.raw_needs import EXCLUDES, NEEDS
from ftspec.backends.megatron.unestimated import estimate_leaves_out
from ftspec.core.finding import Finding
from ftspec.core.source import Span
from ftspec.plan.model import Plan


def raw_findings(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """What is wrong with the raw keys and with the options' texts."""
    yield from _text_findings(target)
    seen: dict[str, str] = {}
    for key, value in target.raw.items():
        flag = find_flag(key)
        if flag is None:
            near = similar_flag(key)
            yield UNKNOWN.finding(
                f"Megatron has no flag {key}",
                target.where(f"raw.{key}"),
                f"did you mean {near}?" if near else "see pretrain_gpt.py --help",
            )
        elif flag in seen:
            yield TWICE.finding(
                f"{key} and {seen[flag]} are the same flag", target.where(f"raw.{key}"), "keep one of them"
            )
        else:
            seen[flag] = key
            yield from _key_findings(plan, target, key, flag, value)
    if target.raw:
        yield from _together_findings(plan, target, seen)


def _key_findings(plan: Plan, target: TargetOptions, key: str, flag: str, value: Any) -> Iterator[Finding]:
    span = target.where(f"raw.{key}")
    refused, instead = RETIRED.get(flag, (False, ""))
    if instead:
        rule = REFUSED if refused else DEPRECATED
        message = f"{flag} is {'refused' if refused else 'deprecated'} by megatron-core 0.19.2"
        yield rule.finding(message, span, f"write {instead}")
    if refused:
        return
    field = "model.from" if flag in ROUTER and plan.given("model.from") else SPEC_FIELDS.get(flag)
    if field and not (plan.model.shape.position == "rope" and value in VARIANTS.get(flag, ())):
        config = ' (a config.json says it: model { from = "./config.json" })' if field == "model.from" else ""
        yield OWNED.finding(
            f"{flag} says what {field} says, so the job would not be the one that was checked",
            span,
            f"write {field} instead{config}",
        )
        return
    schema = flag_schema(flag)
    problem = None if value is False and schema.get("const") is True else value_problem(value, schema)
    if problem is not None:
        yield VALUE.finding(
            f"{flag} takes {problem}, not {_shown(value)}",
            _value_span(target, f"raw.{key}"),
            f"write {key} = {_example(schema)}",
        )
        return
    yield from estimate_leaves_out(target, key, flag, value)


def _text_findings(target: TargetOptions) -> Iterator[Finding]:
    """Options first, then raw flags, in the order of the text."""
    options = target.options
    texts: list[tuple[str, Any]] = [(name, getattr(options, name)) for name in ("script", "tokenizer", "data_path")]
    texts += [(f"raw.{key}", value) for key, value in target.raw.items()]
    for path, value in texts:
        several = isinstance(value, list | tuple) or path in ("data_path", "script")
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str) and not text.isprintable():
                yield TEXT.finding(
                    f"{path} has a line break or a control character",
                    _value_span(target, path),
                    "write it as printable text",
                )
            elif isinstance(text, str) and several and text.startswith("-"):
                yield TEXT.finding(
                    f"{text} in {path} would be taken for a flag",
                    _value_span(target, path),
                    f"write ./{text}" if path == "script" else "write it without the dash in front",
                )


def _together_findings(plan: Plan, target: TargetOptions, written: Mapping[str, str]) -> Iterator[Finding]:
    """Flags that need or exclude others; a finding needs a raw flag to blame."""
    flags = {each.flag: each.value for each in with_raw(planned_arguments(plan, target.options), _plain_raw(target))}
    for condition, needed in NEEDS.items():
        flag = condition.partition("=")[0]
        if flag in written and _holds(flags, condition):
            for missing in (each for each in needed if not _holds(flags, each)):
                yield NEEDED.finding(
                    f"{condition} needs {_either(missing)}", target.where(f"raw.{written[flag]}"), _how(missing)
                )
    for first, second in EXCLUDES:
        blamed = next((flag for flag in (second.partition("=")[0], first.partition("=")[0]) if flag in written), None)
        if blamed is not None and _holds(flags, first) and _holds(flags, second):
            yield EXCLUDED.finding(
                f"{first} and {second} exclude each other in Megatron",
                target.where(f"raw.{written[blamed]}"),
                "keep one of them",
            )


def _plain_raw(target: TargetOptions) -> dict[str, Value]:
    return dict(target.raw)


def _holds(flags: Mapping[str, Value], condition: str) -> bool:
    """Whether one of the alternatives of a condition holds."""
    for each in condition.split("|"):
        flag, _, value = each.partition("=")
        if flag in flags and (not value or str(flags[flag]) == value):
            return True
    return False


def _either(condition: str) -> str:
    return " or ".join(condition.split("|"))


def _how(condition: str) -> str:
    """What to write for a condition that does not hold: the spec's field where it has one."""
    flag, _, value = condition.split("|", maxsplit=1)[0].partition("=")
    if flag in SPEC_FIELDS:
        return f"set {SPEC_FIELDS[flag]}" + (f" so that {flag} is {value}" if value else "")
    return f"write {flag.replace('-', '_')} = {value or '…'} beside it"


def _value_span(target: TargetOptions, path: str) -> Span:
    place = target.places.get(path)
    return place.value if place is not None else target.where(path)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _example(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f'"{schema["enum"][0]}"' if isinstance(schema["enum"][0], str) else str(schema["enum"][0])
    return {"integer": "4", "number": "0.1", "string": '"…"', "array": "[…]"}.get(
        schema.get("type", ""), "true" if "const" in schema else "…"
    )
