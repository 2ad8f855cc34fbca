"""A composed config back to a plan: whatever was overridden, the derived values are computed anew or refused."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from omegaconf import DictConfig

from ftspec.backends.base import TargetOptions
from ftspec.backends.hydra.checks import check_target
from ftspec.backends.hydra.composed import Composed, Problem, take_apart
from ftspec.backends.hydra.groups import plan_groups
from ftspec.backends.hydra.launch import launch_line, launcher_group
from ftspec.backends.hydra.options import HydraOptions, Torchrun
from ftspec.backends.hydra.raw import OWN_KEYS
from ftspec.backends.hydra.schema import tree_problems
from ftspec.backends.hydra.tree import resolved_config, resolved_values
from ftspec.backends.registry import check_stacks
from ftspec.catalog.parameters import count_parameters
from ftspec.catalog.shape_json import shape_from_json
from ftspec.core.finding import Finding, Severity
from ftspec.core.source import START, Place
from ftspec.core.suggest import nearest
from ftspec.core.units import Dimension, Quantity
from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import ModelPlan, Plan
from ftspec.plan.resolve import resolve
from ftspec.plan.stack import default_stack
from ftspec.rules.families import plan_findings
from ftspec.rules.memory import memory_findings
from ftspec.spec.document import Document
from ftspec.spec.fields import spec_paths
from ftspec.spec.schema import spec_from_mapping
from ftspec.spec.typed import build
from ftspec.spec.values import Word

_FOLLOWS_FROM = {
    "hardware.world_size": "hardware.nodes × hardware.gpus_per_node",
    "hardware.usable_memory": "hardware.gpu and hardware.gpu_memory",
    "model.parameters": "the fields of model",
    "launcher.nodes": "hardware.nodes",
    "launcher.gpus_per_node": "hardware.gpus_per_node",
    "launcher.submit": "the other keys of launcher",
    "launcher.command": "the other keys of launcher",
}
"""The keys that no spec has: derived, whatever else is written."""

_LAUNCHER_OPTIONS = ("script", "arguments")


class Recompiled(NamedTuple):
    """A consistent job: its plan, the resolved config (raw keys included), and what is worth saying.

    `notes` has the warnings, and one note for each derived value that is not what the tree was compiled with.
    """

    plan: Plan
    config: dict[str, Any]
    notes: tuple[Problem, ...]

    @property
    def command(self) -> str:
        """The launch command, quoted for the shell."""
        return launch_line(self.config["launcher"])


def recompile(config: DictConfig) -> tuple[Recompiled | None, list[Problem]]:
    """The job that a composed config describes, every derived value computed anew; None with the reasons if refused."""
    composed, problems = take_apart(config)
    if composed is None:
        return None, problems
    problems = [*_schema_problems(composed.written), *_derived_overridden(composed.written)]
    if problems:
        return None, problems
    plan, findings = _plan(composed)
    options, more = _options(composed.written["launcher"])
    findings += more
    if plan is not None:
        findings += plan_findings(plan) + memory_findings(plan, estimate_memory(plan))
        findings += check_target(plan, TargetOptions(options, {}, {}, START)) + check_stacks((), [plan])
    errors = [_problem(finding) for finding in findings if finding.severity is Severity.ERROR]
    if plan is None or errors:
        return None, errors
    groups = {**plan_groups(plan), "launcher": launcher_group(plan, options, options.launcher or Torchrun())}
    config_now = {"name": plan.name, **resolved_config(groups), **composed.raw}
    notes = [_problem(finding) for finding in findings if finding.severity is Severity.WARNING]
    return Recompiled(plan, config_now, (*notes, *_recomputed(composed.compiled, resolved_values(groups)))), []


def _recomputed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Problem]:
    for path, value in before.items():
        if path in now and now[path] != value and not path.startswith("launcher."):
            yield Problem(path, f"recomputed: {now[path]} (compiled as {value})", severity=Severity.NOTE)


def _problem(finding: Finding) -> Problem:
    return Problem("", finding.message, finding.help or "", finding.code, finding.severity)


def _schema_problems(written: Mapping[str, Any]) -> Iterator[Problem]:
    for key in sorted(set(written) - set(OWN_KEYS)):
        meant = nearest(key, OWN_KEYS)
        hint = f"did you mean `{meant}`? " if meant else ""
        help = f"{hint}A key of your own goes into `target hydra {{ raw {{ … }} }}`"
        yield Problem(key, "no config group or raw key has this name", help)
    known = {key: value for key, value in written.items() if key in OWN_KEYS}
    for key, message in tree_problems(known):
        yield Problem(key, message, "see schemas/hydra.schema.json for what each key takes")


def _derived_overridden(written: Mapping[str, Any]) -> Iterator[Problem]:
    for path, value in _leaves(written):
        if path in _FOLLOWS_FROM:
            why = _FOLLOWS_FROM[path]
            yield Problem(
                path,
                f"{value} was given, and this value is derived from {why}",
                "leave it out, and override what it is derived from",
            )


def _leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        path = f"{prefix}{key}"
        if isinstance(item, dict):
            yield path, item
            yield from _leaves(item, f"{path}.")
        else:
            yield path, item


def _stated(written: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as a spec would state them: without nulls and defaults, whole numbers as integers."""
    stated: dict[str, Any] = {}
    for key, value in written.items():
        default = defaults.get(key)
        if isinstance(value, dict):
            stated[key] = _stated(value, default if isinstance(default, Mapping) else {})
        elif value is not None and value != default:
            stated[key] = int(value) if isinstance(value, float) and value.is_integer() else value
    return stated


def _plan(composed: Composed) -> tuple[Plan | None, list[Finding]]:
    """The plan of the inputs."""
    stated = _stated(composed.written, composed.defaults)
    del stated["launcher"]
    model = stated["model"]
    identifier = model.pop("id", None)
    shape = dict(model)
    if identifier is not None:
        stated["model"] = _spec_keys(model, "model")
    spec, findings = spec_from_mapping(stated)
    if spec is None:
        return None, findings
    places = MappingProxyType({path: Place("", START, START) for path, _ in _leaves(stated)})
    stack = spec.training.stack or default_stack(spec.parallelism)
    plan, findings = resolve(Document("", spec, places, (), (), (), ()), stack)
    if plan is not None and identifier is not None:
        plan = replace(plan, model=_stated_model(str(identifier), shape, plan))
    return plan, findings


def _spec_keys(block: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Only the keys that a spec has."""
    known = spec_paths()
    return {
        key: _spec_keys(value, f"{prefix}.{key}") if isinstance(value, dict) else value
        for key, value in block.items()
        if f"{prefix}.{key}" in known
    }


def _stated_model(identifier: str, written: Mapping[str, Any], plan: Plan) -> ModelPlan:
    """The model whose whole shape the config states, the fields that no spec has included."""
    fields = _merged(asdict(plan.model.shape), written)
    shape = shape_from_json({name: value for name, value in fields.items() if value is not None})
    return ModelPlan(identifier, shape, count_parameters(shape))


def _merged(base: Any, over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base or {})
    for key, value in over.items():
        if isinstance(value, dict):
            merged[key] = _merged(merged.get(key), value)
        else:
            merged[key] = tuple(value) if isinstance(value, list) else value
    return merged


def _options(launcher: Mapping[str, Any]) -> tuple[HydraOptions, list[Finding]]:
    """The target's options that the `launcher` group states."""
    stated = {key: value for key, value in launcher.items() if value is not None}
    options: dict[str, Any] = {key: stated.pop(key) for key in _LAUNCHER_OPTIONS if key in stated}
    if "time" in stated:
        stated["time"] = Quantity(stated["time"], Dimension.SECONDS)
    return build(HydraOptions, {**options, "launcher": {**stated, "kind": Word(stated["kind"])}}, {})
