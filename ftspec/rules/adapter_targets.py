"""Rules over the layers that adapters are put on: the model has them, and the estimate counts them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from ftspec.catalog.models import ModelRow, find_model
from ftspec.core.finding import Finding, Severity
from ftspec.core.resources import json_beside
from ftspec.core.rule import Rule
from ftspec.core.suggest import nearest
from ftspec.memory.step.adapter_modules import matched, modules_of, parameter_named, uncounted
from ftspec.memory.step.code import code_of, parameter_targets
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed

_TARGETS = "training.method.targets"
_GROUPS = ("attention", "all_linear")


@cache
def _table() -> Any:
    return json_beside(__file__, "adapter_targets.json")


def _written(plan: Plan) -> list[str]:
    """The names among the targets; the words for groups find what there is."""
    return [target for target in plan.training.method.targets if target not in _GROUPS]


def _has_code_of_its_own(plan: Plan) -> bool:
    """Whether the model's modules may have other names than those of the class that stands for it here: its shape is
    stated, or its repository brings its own code.
    """
    row = find_model(plan.model.id)
    if isinstance(row, ModelRow):
        return row.architecture in _table()["own_code"]
    from ftspec.catalog.config_shape import architectures

    model_type = plan.model.shape.model_type
    return not model_type or model_type in architectures()["stands_for"].values()


def _is_known_elsewhere(plan: Plan, target: str) -> bool:
    return target.rpartition(".")[2] in _table()["modules"] and _has_code_of_its_own(plan)


def _unmatched(plan: Plan) -> list[str]:
    """The names that nothing in the model has."""
    shape = plan.model.shape
    return [target for target in _written(plan) if not matched(shape, target) and not _is_known_elsewhere(plan, target)]


def _own_names(plan: Plan) -> list[str]:
    """What the model's code calls its projections."""
    shape = plan.model.shape
    names = [path.rpartition(".")[2] for path, name in modules_of(shape).items() if name]
    parameters = parameter_targets().get(code_of(shape).parameter_targets, {}) if shape.moe is not None else {}
    return sorted({*names, *parameters})


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _help(plan: Plan, absent: Sequence[str]) -> str:
    own = _own_names(plan)
    near = nearest(absent[0].rpartition(".")[2], own)
    meant = f'did you mean "{near}"? ' if near else ""
    return f"{meant}{plan.model.id} has {', '.join(own)}; attention and all_linear name them for any model"


@plan_rule(
    "FT360",
    Severity.ERROR,
    "the adapters' targets are no layers of the model",
    "PEFT puts adapters on the modules whose path is a target or ends with one (check_target_module_exists in"
    " peft/tuners/tuners_utils.py). The names are those of the model's code, which differ from class to class; where no"
    " target is one, PEFT stops.",
    bad=job(training='stack = ddp  method = lora { rank = 16  targets = ["query_key_value"] }'),
    good=job(training='stack = ddp  method = lora { rank = 16  targets = ["q_proj", "v_proj"] }'),
)
def targets_are_layers(rule: Rule, plan: Plan) -> list[Finding]:
    """Some target is a module of the model."""
    absent = _unmatched(plan)
    if not absent or len(absent) < len(plan.training.method.targets):
        return []
    message = f"{plan.model.id} has no layer called {_quoted(absent)}: PEFT stops"
    return [rule.finding(message, blamed(plan, _TARGETS), _help(plan, absent))]


@plan_rule(
    "FT365",
    Severity.WARNING,
    "a target is no layer of the model",
    "PEFT passes over a target that no module has, as long as another target has one: the layers that were meant train"
    " no adapter, and nothing says so.",
    bad=job(training='stack = ddp  method = lora { rank = 16  targets = ["q_proj", "v_prj"] }'),
    good=job(training='stack = ddp  method = lora { rank = 16  targets = ["q_proj", "self_attn.v_proj"] }'),
)
def every_target_is_a_layer(rule: Rule, plan: Plan) -> list[Finding]:
    """Each target is a module of the model."""
    absent = _unmatched(plan)
    if not absent or len(absent) == len(plan.training.method.targets):
        return []
    message = (
        f"{plan.model.id} has no layer called {_quoted(absent)}: PEFT passes over it, and nothing is trained there"
    )
    return [rule.finding(message, blamed(plan, _TARGETS), _help(plan, absent))]


@plan_rule(
    "FT366",
    Severity.WARNING,
    "adapters that the memory estimate does not count",
    "The estimate counts adapters on the projections of attention, MLP and experts. Beside the embedding, the output"
    " head, an indexer, a state-space or linear-attention layer, or in chosen layers only, PEFT puts them as well. On"
    " the head that is more than their weights: their output is another tensor as large as the logits.",
    bad=job(training='stack = ddp  method = lora { rank = 16  targets = ["q_proj", "lm_head"] }'),
    good=job(training='stack = ddp  method = lora { rank = 16  targets = ["q_proj", "k_proj"] }'),
)
def targets_are_counted(rule: Rule, plan: Plan) -> list[Finding]:
    """No target means a module beside which no adapters are counted."""
    shape = plan.model.shape
    left = [path for target in _written(plan) for path in uncounted(shape, target)]
    left += [target for target in _written(plan) if not matched(shape, target) and _is_known_elsewhere(plan, target)]
    if not left:
        return []
    shown = _quoted(list(dict.fromkeys(path.partition(".#.")[2] or path for path in left)))
    message = f"the memory estimate counts no adapters on {shown}"
    return [rule.finding(message, blamed(plan, _TARGETS), "leave memory free for them, or leave them out")]


@plan_rule(
    "FT367",
    Severity.ERROR,
    "half of a fused projection",
    "transformers 5 holds gate and up of all experts in one parameter. PEFT reads their old names as that parameter,"
    " and stops where one of them is missing (peft/utils/transformers_weight_conversion.py).",
    bad=job(
        model='from = "allenai/OLMoE-1B-7B-0924"',
        training='stack = ddp  method = lora { rank = 16  targets = ["q_proj", "gate_proj"] }',
    ),
    good=job(
        model='from = "allenai/OLMoE-1B-7B-0924"',
        training='stack = ddp  method = lora { rank = 16  targets = ["q_proj", "gate_proj", "up_proj"] }',
    ),
)
def fused_projections_are_whole(rule: Rule, plan: Plan) -> list[Finding]:
    """Every name that stands for one parameter, or none of them."""
    shape = plan.model.shape
    stands = parameter_targets().get(code_of(shape).parameter_targets, {})
    named = {parameter_named(shape, target) for target in _written(plan)} - {""}
    missing = [name for name, parameter in stands.items() if name not in named and parameter in map(stands.get, named)]
    if not missing:
        return []
    present = [name for name in stands if name in named and stands[name] == stands[missing[0]]]
    message = (
        f"{_quoted(present)} without {_quoted(missing)}: {plan.model.id} has both in one parameter, and PEFT stops"
    )
    return [rule.finding(message, blamed(plan, _TARGETS), f"write {_quoted([*present, *missing])}")]
