"""Rotary positions and epsilons: what is emitted, what is said where they are not known or not expressible."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ftspec.backends.megatron import BACKEND
from ftspec.backends.megatron.compilation import planned_arguments
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.backends.megatron.owners import REFINED
from ftspec.catalog.shape_parts import RopeScaling
from ftspec.core.finding import Severity
from ftspec.pipeline import check_file
from ftspec.plan.model import Plan
from ftspec.spec.model import Model, Training
from tests.backends.megatron.plans import make_plan, make_target

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "examples").glob("*.ft"))


def plan_of(name: str) -> Plan:
    return make_plan(model=Model(from_=name), training=Training(sequence_length=1024, steps=9))


def with_shape(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, model=replace(plan.model, shape=replace(plan.model.shape, **changes)))


def emitted(plan: Plan) -> dict[str, Any]:
    arguments = [each for each in planned_arguments(plan, MegatronOptions()) if each.flag in REFINED]
    assert {argument.origin for argument in arguments} <= {"model.shape"}
    return {argument.flag: argument.value for argument in arguments}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Meta-Llama-3-8B", {"rotary-base": 500000, "norm-epsilon": 1e-5}),
        ("Llama-3.1-8B", {"rotary-base": 500000, "use-rope-scaling": True, "rope-scaling-factor": 8.0,
                          "norm-epsilon": 1e-5}),
        ("Llama-3.2-1B", {"rotary-base": 500000, "use-rope-scaling": True, "rope-scaling-factor": 32.0,
                          "norm-epsilon": 1e-5}),
        ("Qwen2.5-7B", {"rotary-base": 1000000, "norm-epsilon": 1e-6}),
        ("deepseek-coder-6.7b-base", {"rotary-base": 100000, "rotary-seq-len-interpolation-factor": 4,
                                      "norm-epsilon": 1e-6}),
        ("DeepSeek-V3", {"rotary-base": 10000, "rotary-scaling-factor": 40.0, "mscale": 1.0, "mscale-all-dim": 1.0,
                         "norm-epsilon": 1e-6}),
        ("Moonlight-16B-A3B", {"rotary-base": 50000, "norm-epsilon": 1e-5}),
        ("gpt-oss-20b", {"rotary-base": 150000, "rotary-scaling-factor": 32.0, "yarn-beta-fast": 32.0,
                         "yarn-beta-slow": 1.0, "yarn-original-max-position-embeddings": 4096,
                         "no-yarn-correction-range-round-to-int": True, "norm-epsilon": 1e-5}),
        ("stablelm-2-1_6b", {"rotary-base": 10000, "rotary-percent": 0.25, "norm-epsilon": 1e-5}),
        ("internlm2_5-7b", {"rotary-base": 1000000, "norm-epsilon": 1e-5}),
        ("gpt2-xl", {"norm-epsilon": 1e-5}),
    ],
)  # fmt: skip
def test_what_is_known_is_emitted(name: str, expected: dict[str, Any]) -> None:
    plan = plan_of(name)
    assert emitted(plan) == expected
    assert not codes(plan) & {"FT610", "FT615"}


def codes(plan: Plan, raw: dict[str, Any] | None = None) -> set[str]:
    return {finding.code for finding in BACKEND.check(plan, make_target(raw))}


def test_a_factor_that_the_script_drops_is_said() -> None:
    assert "FT616" in codes(plan_of("Llama-3.2-1B"))
    assert "FT616" not in codes(plan_of("Llama-3.2-1B"), {"rope_scaling_factor": 32.0})
    assert "FT616" not in codes(plan_of("Llama-3.1-8B"))


def test_yarn_is_a_position_type_of_its_own() -> None:
    positions = {
        name: next(
            each.value
            for each in planned_arguments(plan_of(name), MegatronOptions())
            if each.flag == "position-embedding-type"
        )
        for name in ("gpt-oss-20b", "DeepSeek-V3", "Llama-3.1-8B")
    }
    assert positions == {"gpt-oss-20b": "yarn", "DeepSeek-V3": "rope", "Llama-3.1-8B": "rope"}


def test_what_is_not_known_is_said_until_it_is_written() -> None:
    plan = with_shape(plan_of("Meta-Llama-3-8B"), rope_theta=None, norm_epsilon=None)
    assert emitted(plan) == {}
    assert "FT610" in codes(plan)
    assert "FT610" in codes(plan, {"rotary_base": 500000})
    assert "FT610" not in codes(plan, {"rotary_base": 500000, "norm-epsilon": 1e-5})
    assert "FT610" in codes(with_shape(plan_of("gpt2-xl"), norm_epsilon=None))


def test_a_raw_flag_replaces_what_the_model_says() -> None:
    target = make_target({"rotary_base": 8000000, "use_rope_scaling": False})
    plan = plan_of("Llama-3.1-8B")
    assert not [each for each in BACKEND.check(plan, target) if each.severity is Severity.ERROR]
    text = BACKEND.compile(plan, target)[0].text
    assert "rotary-base: 8000000\n" in text
    assert "use-rope-scaling" not in text


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("Phi-3.5-mini-instruct", {}, "longrope scaling"),
        ("Kimi-K2-Instruct", {}, "betas other than 32 and 1"),
        ("Llama-3.1-8B", {"rope_scaling": RopeScaling("llama3", 8.0, 8192, 1.0, 1.0)}, "constants other than"),
        ("Llama-3.1-8B", {"rope_scaling": RopeScaling("linear", 2.5)}, "2.5, which is not whole"),
        ("Llama-3.1-8B", {"rope_scaling": RopeScaling("yarn", 4.0, attention_factor=0.9)}, "attention factor"),
        ("Llama-3.1-8B", {"rope_scaling": RopeScaling("future")}, "future scaling"),
        ("Llama-3.1-8B", {"rope_theta": 999999.442}, "999999.442, which is not whole"),
        ("stablelm-2-1_6b", {"rope_scaling": RopeScaling("yarn", 4.0)}, "a part of the head"),
        ("DeepSeek-V3", {"rope_scaling": RopeScaling("linear", 4.0)}, "linear scaling in latent attention"),
    ],
)
def test_what_cannot_be_expressed_is_said(name: str, changes: dict[str, Any], words: str) -> None:
    plan = with_shape(plan_of(name), **changes)
    found = [each for each in BACKEND.check(plan, make_target()) if each.code == "FT615"]
    assert len(found) == 1
    assert words in found[0].message
    assert not set(emitted(plan)) & {"use-rope-scaling", "rotary-scaling-factor", "rotary-seq-len-interpolation-factor"}
    assert "FT615" not in codes(plan, {"rotary_base": 10000})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_have_no_unknown_details(path: Path) -> None:
    checked = check_file(str(path))
    known = all(job.plan.model.shape.norm_epsilon is not None for job in checked.jobs)
    assert not known or not [each for each in checked.findings if each.code == "FT610"]
