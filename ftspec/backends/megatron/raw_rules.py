"""Raw flags: held to Megatron's own parser, and never against the plan."""

from collections.abc import Iterator, Mapping
from typing import Any

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.argument import Value
from ftspec.backends.megatron.compilation import planned_arguments, with_raw
from ftspec.backends.megatron.examples import megatron_job
from ftspec.backends.megatron.flags import find_flag, flag_schema, similar_flag, value_problem
from ftspec.backends.megatron.owners import RETIRED, SPEC_FIELDS, VARIANTS
from ftspec.backends.megatron.raw_needs import EXCLUDES, NEEDS
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.core.source import Span
from ftspec.plan.model import Plan

UNKNOWN = declare(
    "FT640",
    Severity.ERROR,
    "Megatron has no such flag",
    "Raw keys are flags of megatron-core 0.19.2, with underscores or, quoted, with dashes. argparse stops at one "
    "that it does not know.",
    megatron_job(target="raw { num_wrokers = 4 }"),
    megatron_job(target="raw { num_workers = 4 }"),
)
VALUE = declare(
    "FT641",
    Severity.ERROR,
    "the flag does not take this value",
    "Types and choices are those of Megatron's own parser.",
    megatron_job(target='raw { num_workers = "four" }'),
    megatron_job(target="raw { num_workers = 4 }"),
)
OWNED = declare(
    "FT642",
    Severity.ERROR,
    "a raw flag says what the spec says",
    "A flag that the plan decides would make the arguments differ from what was checked and estimated. The spec has "
    "a field for it.",
    megatron_job(target="raw { tensor_model_parallel_size = 2 }"),
    megatron_job(parallelism="tensor = 2"),
)
REFUSED = declare(
    "FT643",
    Severity.ERROR,
    "Megatron refuses this old flag",
    "The parser still knows the flag so that validate_args can refuse it.",
    megatron_job(target="raw { checkpoint_activations = true }"),
    megatron_job(training="activation_checkpointing = full  steps = 1000"),
)
DEPRECATED = declare(
    "FT644",
    Severity.WARNING,
    "Megatron ignores or replaces this old flag",
    "The flag is deprecated in megatron-core 0.19.2.",
    megatron_job(target="raw { use_mcore_models = true }"),
    megatron_job(),
)
NEEDED = declare(
    "FT645",
    Severity.ERROR,
    "a raw flag lacks the one that it needs",
    "validate_args asserts that the flags stand together, or drops the one in silence.",
    megatron_job(target='raw { save = "/checkpoints" }'),
    megatron_job(target='raw { save = "/checkpoints"  save_interval = 500 }'),
)
EXCLUDED = declare(
    "FT646",
    Severity.ERROR,
    "two flags exclude each other",
    "validate_args asserts that at most one of them is there.",
    megatron_job(target='data_path = "/data/tokens"  raw { mock_data = true }'),
    megatron_job(target="raw { mock_data = true }"),
)
TEXT = declare(
    "FT647",
    Severity.ERROR,
    "the text cannot stand on a command line",
    "An argument goes through a shell script and a file with one token a line, so it has no line breaks and no "
    "control characters; in a list, argparse takes a text that begins with a dash for a flag.",
    megatron_job(target='data_path = "/data\\ntokens"'),
    megatron_job(target='data_path = "/data/tokens"'),
)
TWICE = declare(
    "FT648",
    Severity.ERROR,
    "a raw flag is written twice",
    "Two keys spell the same flag, and Megatron would take the last one in silence.",
    megatron_job(target='raw { num_workers = 4  "num-workers" = 8 }'),
    megatron_job(target="raw { num_workers = 8 }"),
)


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
    if flag in RETIRED:
        refused, instead = RETIRED[flag]
        rule = REFUSED if refused else DEPRECATED
        yield rule.finding(
            f"{flag} is {'refused' if refused else 'deprecated'} by megatron-core 0.19.2", span, f"write {instead}"
        )
        return
    if flag in SPEC_FIELDS and not (plan.model.shape.position == "rope" and value in VARIANTS.get(flag, ())):
        field = SPEC_FIELDS[flag]
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


def _text_findings(target: TargetOptions) -> Iterator[Finding]:
    """Options first, then raw flags, in the order of the text."""
    options = target.options
    texts: list[tuple[str, Any]] = [(name, getattr(options, name)) for name in ("script", "tokenizer", "data_path")]
    texts += [(f"raw.{key}", value) for key, value in target.raw.items()]
    for path, value in texts:
        several = isinstance(value, list | tuple) or path == "data_path"
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
                    "write it without the dash in front",
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
