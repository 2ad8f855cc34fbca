"""Every plan path has one place, and every table speaks of flags and fields that exist."""

from dataclasses import fields, is_dataclass, replace
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from ftspec.backends.megatron import BACKEND
from ftspec.backends.megatron.compilation import planned_arguments
from ftspec.backends.megatron.coverage import MAPPED
from ftspec.backends.megatron.expressible import CARRIED, CARRIED_EXPERTS
from ftspec.backends.megatron.flags import arguments_schema
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.backends.megatron.owners import REFINED, RETIRED, ROUTER, SETTINGS, SPEC_FIELDS, VARIANTS
from ftspec.backends.megatron.raw_needs import EXCLUDES, NEEDS
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import MoeShape
from ftspec.plan.fields import plan_paths
from ftspec.plan.megatron_settings import megatron_setting_names, setting_flag
from ftspec.spec.model import Model, Offload, Parallelism, Precision, Spec, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.megatron.plans import make_plan
from tests.backends.megatron.random_plans import random_plan

FLAGS = set(arguments_schema()["properties"])
PARTS = [BACKEND.mapped, BACKEND.elsewhere, BACKEND.unsupported]


def test_every_plan_path_is_in_exactly_one_part() -> None:
    named = [path for part in PARTS for path in part]
    assert sorted(named) == sorted(plan_paths())


def test_every_part_gives_a_reason() -> None:
    assert all(text for part in PARTS for text in part.values())


ONE_OF_A_KIND = (
    "Qwen/Qwen1.5-MoE-A2.7B",
    "nvidia/Nemotron-4-340B-Base",
    "deepseek-ai/deepseek-coder-6.7b-base",
    "openai/gpt-oss-20b",
)
"""Models with features that no other plan here has (the last is refused, for its activation alone)."""


@cache
def emitted() -> dict[str, set[str]]:
    """The flags that many plans emit, by origin."""
    plans = [random_plan(seed) for seed in range(150)]
    plans += [
        make_plan(training=Training(optimizer=OptimizerChoice(kind), steps=9)) for kind in ("muon", "lion", "sgd")
    ]
    plans.append(make_plan(precision=Precision(optimizer_states="bf16"), parallelism=Parallelism(zero_stage=1)))
    plans.append(make_plan(parallelism=Parallelism(zero_stage=1, offload=Offload(optimizer="cpu"))))
    plans += [make_plan(model=Model(from_=name)) for name in ONE_OF_A_KIND]
    uneven = make_plan(parallelism=Parallelism(pipeline=4, virtual_pipeline=2))
    plans.append(replace(uneven, megatron=replace(uneven.megatron, first_stage_layers=4, last_stage_layers=4)))
    by_origin: dict[str, set[str]] = {}
    for plan in plans:
        for argument in planned_arguments(plan, MegatronOptions()):
            by_origin.setdefault(argument.origin, set()).add(argument.flag)
    return by_origin


def mapped_flags(path: str) -> set[str]:
    text = MAPPED[path]
    return set() if text.startswith("train.sh") else set(text.split(", "))


def test_emitted_origins_are_mapped() -> None:
    for origin, flags in emitted().items():
        assert origin.startswith("constant: ") or flags <= mapped_flags(origin), origin


def test_every_mapped_flag_is_emitted_by_some_plan() -> None:
    everything = set().union(*emitted().values())
    claimed = {flag for path in MAPPED for flag in mapped_flags(path)}
    raw = {setting_flag(name) for name in megatron_setting_names()}
    assert claimed - everything - raw == set(NOT_IN_THE_CATALOG)
    assert raw <= FLAGS


NOT_IN_THE_CATALOG = ("attention-output-gate", "moe-latent-size")
"""Features of models that Megatron cannot build for other reasons."""


def test_tables_speak_of_real_flags() -> None:
    conditions = [
        *NEEDS,
        *(each for needed in NEEDS.values() for each in needed),
        *(each for pair in EXCLUDES for each in pair),
    ]
    named = {part.split("=", maxsplit=1)[0] for condition in conditions for part in condition.split("|")}
    assert named | set(SPEC_FIELDS) | REFINED | ROUTER | set(RETIRED) | set(VARIANTS) <= FLAGS


def test_every_planned_flag_has_a_spec_field_or_may_be_replaced() -> None:
    carried = {flag for origin, flags in emitted().items() if not origin.startswith("constant") for flag in flags}
    ends = {"decoder-first-pipeline-num-layers", "decoder-last-pipeline-num-layers"}
    assert carried - set(SPEC_FIELDS) == REFINED | ROUTER | SETTINGS | ends


@pytest.mark.parametrize("field", sorted({field for field in SPEC_FIELDS.values() if not field.startswith("target")}))
def test_spec_fields_exist(field: str) -> None:
    kind: Any = Spec
    for name in field.split("."):
        assert is_dataclass(kind), field
        hints = get_type_hints(kind)
        attribute = "from_" if name == "from" else name
        assert attribute in hints, field
        kind = block_of(hints[attribute])


def block_of(hint: Any) -> Any:
    """The block type in a field's annotation, if there is one."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return next((option for option in options if is_dataclass(option)), None)


def test_every_feature_of_a_shape_is_carried_or_must_be_absent() -> None:
    assert {field.name for field in fields(ModelShape)} >= CARRIED
    assert {field.name for field in fields(MoeShape)} >= CARRIED_EXPERTS
