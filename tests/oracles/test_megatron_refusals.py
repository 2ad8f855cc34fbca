"""What our tables say that Megatron refuses, it refuses, and what they say to write instead it accepts."""

from collections.abc import Iterable
from functools import cache

import pytest

from ftspec.backends.megatron import BACKEND
from ftspec.backends.megatron.argument import Argument, tokens
from ftspec.backends.megatron.compilation import planned_arguments
from ftspec.backends.megatron.flags import destination, flag_schema
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.backends.megatron.owners import RETIRED
from ftspec.backends.megatron.raw_needs import EXCLUDES, NEEDS
from ftspec.plan.model import Plan
from ftspec.spec.model import Hardware, Model, Offload, Parallelism, Precision, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.megatron.plans import make_plan, make_target
from tests.oracles.megatron_memory import megatron_arguments
from tests.oracles.megatron_oracle import Answer, Question, ask_megatron

VALUES: dict[str, str | int | tuple[int, ...]] = {
    "mrope-section": (16, 24, 24), "hierarchical-context-parallel-sizes": (1, 1), "moe-router-group-topk": 1,
    "start-weight-decay": 0, "end-weight-decay": 1, "num-experts": 128, "recompute-granularity": "selective",
    "cuda-graph-scope": "attn",
}  # fmt: skip
"""Values that go with the plans below, for flags that take a number."""
FULL_RECOMPUTATION = ("recompute-granularity=full", "recompute-method=uniform", "recompute-num-layers")
COMPANIONS: dict[str, tuple[str, ...]] = {
    "distribute-saved-activations": FULL_RECOMPUTATION,
    "recompute-granularity=full": FULL_RECOMPUTATION,
    "overlap-param-gather-with-optimizer-step": ("use-distributed-optimizer", "overlap-grad-reduce"),
    "save-params-interval": ("save", "save-interval"),
    "override-ckpt-iteration": ("load",),
    "moe-shared-expert-overlap": ("moe-shared-expert-intermediate-size",),
    "delay-wgrad-compute": ("moe-grouped-gemm",),
    "moe-use-upcycling": ("save", "save-interval"),
    "overlap-param-gather": ("use-distributed-optimizer", "overlap-grad-reduce"),
    "moe-router-padding-for-fp8": ("fp8-format",),
    "moe-enable-deepep": ("moe-token-dispatcher-type=flex",),
    "fim-data": ("fim-rate", "fim-spm-rate"),
}
"""What else a flag wants before it is accepted, so that a refusal has one reason."""
WANT_OTHERS = {
    "use-checkpoint-args": "checked where the checkpoint is read",
    "non-persistent-ckpt-type=local": "needs the package nvidia_resiliency_ext",
    "replication": "needs the package nvidia_resiliency_ext",
    "fp16-lm-cross-entropy": "fp16 is the plan's",
    "moe-router-padding-for-quantization": "fp8 is the plan's",
    "fp8-param-gather": "fp8 is the plan's",
    "overlap-param-gather-with-optimizer-step": "a virtual pipeline is the plan's",
    "ckpt-format=torch_dcp": "FSDP is another stack",
    "ckpt-format=fsdp_dtensor": "FSDP is another stack",
    "mla-down-proj-fusion": "latent attention is the model's",
    "mtp-num-layers": "positions are the model's",
    "tp-comm-overlap": "needs Transformer Engine",
    "delay-wgrad-compute": "needs Transformer Engine",
    "ckpt-convert-format": "needs a checkpoint",
}
"""Entries that this machine, or the plan, cannot show the accepted side of."""


@cache
def base_plan(experts: bool) -> Plan:
    if not experts:
        return make_plan(parallelism=Parallelism(tensor=2, data=4))
    return make_plan(
        model=Model(from_="Qwen/Qwen3-30B-A3B", num_hidden_layers=4),
        hardware=Hardware(gpu="H100-SXM5-80GB", nodes=1, gpus_per_node=8),
        training=Training(sequence_length=4096, steps=10),
        parallelism=Parallelism(tensor=1, data=8, expert=8),
    )


def said(condition: str) -> Argument:
    """An argument for which a condition holds."""
    flag, _, value = condition.split("|", maxsplit=1)[0].partition("=")
    schema = flag_schema(flag)
    if value or flag in VALUES:
        return Argument(flag, value or VALUES[flag], "raw")
    if schema.get("const") is True:
        return Argument(flag, True, "raw")
    item = schema.get("anyOf", [schema])[0]
    plain: dict[str, int | float | str] = {"integer": 2, "number": 0.5, "string": "x"}
    return Argument(flag, item["enum"][0] if "enum" in item else plain[item["type"]], "raw")


def question(conditions: Iterable[str], without: Iterable[str] = (), companions: bool = True) -> Question:
    """The base plan with some flags, their companions, and without others."""
    conditions = list(conditions)
    beside = COMPANIONS if companions else {}
    wanted = [*(each for condition in conditions for each in beside.get(condition, ())), *conditions]
    extra = {argument.flag: argument for argument in map(said, wanted)}
    left_out = {each.partition("=")[0] for condition in without for each in condition.split("|")} - set(extra)
    plan = base_plan(any(flag.startswith(("moe-", "overlap-moe", "delay")) for flag in extra))
    kept = [each for each in planned_arguments(plan, MegatronOptions()) if each.flag not in left_out | set(extra)]
    return Question([token for each in [*kept, *extra.values()] for token in tokens(each)], plan.hardware.world_size)


@cache
def answers() -> dict[tuple[str, ...], Answer]:
    questions: dict[tuple[str, ...], Question] = {}
    for condition, needed in NEEDS.items():
        questions["without", condition] = question([condition], without=needed, companions=False)
        questions["with", condition] = question([condition, *needed])
    for first, second in EXCLUDES:
        questions["both", first, second] = question([first, second])
        questions["first", first, second] = question([first], without=[second])
        questions["second", first, second] = question([second], without=[first])
    for flag in RETIRED:
        questions["retired", flag] = question([flag])
    questions["learned positions",] = question(["mtp-num-layers", "position-embedding-type=learned_absolute"])
    return dict(zip(questions, ask_megatron(list(questions.values())), strict=True))


@pytest.mark.parametrize("condition", [each for each in NEEDS if each not in ("mtp-num-layers", "use-checkpoint-args")])
def test_refused_or_dropped_without_what_it_needs(condition: str) -> None:
    answer = answers()["without", condition]
    name = destination(condition.partition("=")[0])
    assert answer.refusal is not None or answer.after.get(name) != answer.before[name]


@pytest.mark.parametrize("condition", [each for each in NEEDS if each not in WANT_OTHERS])
def test_accepted_with_what_it_needs(condition: str) -> None:
    assert answers()["with", condition].refusal is None


def test_more_predictions_need_rotary_positions_or_none() -> None:
    assert "Multi-Token Prediction" in (answers()["learned positions",].refusal or "")


@pytest.mark.parametrize("pair", EXCLUDES, ids="/".join)
def test_accepted_alone_and_refused_together(pair: tuple[str, str]) -> None:
    assert answers()["first", *pair].refusal is None
    assert answers()["second", *pair].refusal is None
    assert answers()["both", *pair].refusal is not None


@pytest.mark.parametrize("flag", RETIRED)
def test_retired_flags(flag: str) -> None:
    refused, _ = RETIRED[flag]
    answer = answers()["retired", flag]
    assert (answer.refusal is not None) == refused, answer.refusal


@cache
def sharded_answers() -> dict[str, Answer]:
    """What Megatron makes of the distributed optimizer, by optimizer."""
    plans = {
        kind: make_plan(
            training=Training(optimizer=OptimizerChoice(kind), steps=10),  # type: ignore[arg-type]  # a kind's name
            parallelism=Parallelism(zero_stage=1),
        )
        for kind in ("adamw", "muon", "lion")
    }
    for kind, plan in plans.items():
        found = [finding.code for finding in BACKEND.check(plan, make_target())]
        assert ("FT632" in found) == (kind != "adamw")
    questions = [Question(megatron_arguments(plan), plan.hardware.world_size) for plan in plans.values()]
    return dict(zip(plans, ask_megatron(questions), strict=True))


@pytest.mark.parametrize(("kind", "whole_layers"), [("adamw", False), ("muon", True), ("lion", True)])
def test_how_megatron_shards_states_is_what_is_said(kind: str, whole_layers: bool) -> None:
    answer = sharded_answers()[kind]
    assert answer.refusal is None
    assert answer.after["use_layer_wise_distributed_optimizer"] == whole_layers
    assert answer.after["use_distributed_optimizer"] != whole_layers


REFUSED_PLANS: dict[str, tuple[Plan, str]] = {
    "FT603 unsharded": (make_plan(parallelism=Parallelism(offload=Offload(optimizer="cpu"))), "distributed optimizer"),
    "FT603 sgd": (
        make_plan(
            training=Training(optimizer=OptimizerChoice("sgd"), steps=10),
            parallelism=Parallelism(zero_stage=1, offload=Offload(optimizer="cpu")),
        ),
        "only supported with adam",
    ),
    "FT614 unsharded": (make_plan(precision=Precision(optimizer_states="bf16")), "distributed optimizer"),
    "FT614 sgd": (
        make_plan(
            precision=Precision(optimizer_states="bf16"),
            training=Training(optimizer=OptimizerChoice("sgd"), steps=10),
            parallelism=Parallelism(zero_stage=1),
        ),
        "only supported with adam",
    ),
    "FT628": (
        make_plan(
            model=Model(from_="openai/gpt-oss-20b"),
            parallelism=Parallelism(tensor=2, expert=4, sequence_parallel=True),
        ),
        "ETP==1",
    ),
}


@cache
def plan_answers() -> dict[str, Answer]:
    questions = [Question(megatron_arguments(plan), plan.hardware.world_size) for plan, _ in REFUSED_PLANS.values()]
    return dict(zip(REFUSED_PLANS, ask_megatron(questions), strict=True))


@pytest.mark.parametrize("name", REFUSED_PLANS)
def test_plans_that_our_rules_refuse(name: str) -> None:
    plan, reason = REFUSED_PLANS[name]
    assert name[:5] in [finding.code for finding in BACKEND.check(plan, make_target())]
    assert reason in (plan_answers()[name].refusal or "")
