"""Routers: what the model has is said in flags or refused, and no raw key says otherwise."""

from dataclasses import replace
from typing import Any

import pytest

from ftspec.backends.megatron import BACKEND
from ftspec.backends.megatron.compilation import planned_arguments
from ftspec.backends.megatron.expressible import inexpressible
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.catalog.models import ModelRow, find_model
from ftspec.catalog.shape_parts import MoeShape
from ftspec.pipeline import check_text
from ftspec.spec.model import Model
from tests.backends.megatron.plans import make_plan, make_target

JOB = """ft 1
model {{ {model} }}
hardware {{ gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8 }}
training {{ steps = 100 }}
parallelism {{ expert = 8  zero_stage = 1 }}
target megatron {{ {raw} }}
"""
STATED = (
    "num_hidden_layers = 4  hidden_size = 512  num_attention_heads = 8  vocab_size = 32000"
    "  moe { num_experts = 16  num_experts_per_tok = 2  moe_intermediate_size = 256 }"
)


def row_of(name: str) -> ModelRow:
    row = find_model(name)
    assert isinstance(row, ModelRow)
    return row


def codes(model: str, raw: str = "") -> set[str]:
    return {finding.code for finding in check_text(JOB.format(model=model, raw=raw), "job.ft").findings}


def router(name: str) -> dict[str, Any]:
    """The router's flags for a model, those that every model of many experts has left out."""
    arguments = planned_arguments(make_plan(model=Model(from_=name, num_hidden_layers=4)), MegatronOptions())
    flags = {argument.flag: argument.value for argument in arguments if argument.flag.startswith("moe-router-")}
    return {flag: value for flag, value in flags.items() if flag not in ("moe-router-topk", "moe-router-dtype")}


SIGMOID = {"moe-router-score-function": "sigmoid", "moe-router-enable-expert-bias": True}
GROUPS = {"moe-router-num-groups": 8, "moe-router-group-topk": 4}


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("DeepSeek-V3", SIGMOID | GROUPS | {"moe-router-topk-scaling-factor": 2.5}),
        ("DeepSeek-R1", SIGMOID | GROUPS | {"moe-router-topk-scaling-factor": 2.5}),
        ("Kimi-K2-Instruct", SIGMOID | {"moe-router-topk-scaling-factor": 2.827}),
        ("GLM-4.5", SIGMOID | {"moe-router-topk-scaling-factor": 2.5}),
        ("GLM-4.5-Air", SIGMOID),
        ("Qwen1.5-MoE-A2.7B", {"moe-router-pre-softmax": True}),
        ("deepseek-moe-16b-base", {"moe-router-pre-softmax": True}),
        ("Qwen3-30B-A3B", {}),
        ("Mixtral-8x7B-v0.1", {}),
    ],
)
def test_the_router_is_said(name: str, flags: dict[str, Any]) -> None:
    assert router(name) == flags
    assert "FT608" not in codes(f'from = "{name}"  num_hidden_layers = 4')


@pytest.mark.parametrize("value", ["softmax", "sigmoid"])
def test_raw_keys_do_not_change_the_router_of_a_named_model(value: str) -> None:
    raw = f'raw {{ moe_router_score_function = "{value}" }}'
    assert "FT642" in codes('from = "Qwen/Qwen3-30B-A3B"  num_hidden_layers = 4', raw)
    assert "FT642" not in codes(STATED, raw)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("DeepSeek-V2", "groups chosen by their best expert"),
        ("ERNIE-4.5-21B-A3B-PT", "adds a bias to softmax scores"),
        ("gpt-oss-20b", "clamped_silu"),
        ("Llama-4-Scout-17B-16E", "layers without positions"),
        ("SmolLM3-3B", "layers without positions"),
        ("granite-3.1-2b-base", "fixed factors"),
        ("granite-3.1-1b-a400m-base", "fixed factors"),
        ("MiniCPM3-4B", "fixed factors"),
    ],
)
def test_models_with_more_than_megatron_has_are_refused(name: str, reason: str) -> None:
    plan = make_plan(model=Model(from_=name, num_hidden_layers=4))
    refused = [each.message for each in BACKEND.check(plan, make_target()) if each.code == "FT608"]
    assert len(refused) == 1
    assert reason in refused[0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_experts": 100}, "100 experts in 8 groups"),
        ({"num_experts": 8}, "8 experts in 8 groups"),
        ({"num_experts_per_tok": 4}, "two best experts"),
        ({"norm_topk_prob": False}, "not made to sum to 1"),
        ({"scoring_func": "softmax", "score_correction_bias": False}, "softmax scores in groups"),
        ({"num_experts_per_tok": 1, "n_group": 1, "topk_group": 1}, "sigmoid scores of 1 experts"),
    ],
)
def test_a_changed_router_that_megatron_would_not_have(change: dict[str, Any], reason: str) -> None:
    shape = row_of("DeepSeek-V3").shape
    assert isinstance(shape.moe, MoeShape)
    [found] = inexpressible(replace(shape, moe=replace(shape.moe, **change)))
    assert reason in found


def test_groups_that_exclude_nothing_are_no_groups() -> None:
    shape = row_of("DeepSeek-V3").shape
    assert isinstance(shape.moe, MoeShape)
    assert not list(inexpressible(replace(shape, moe=replace(shape.moe, topk_group=8, num_experts_per_tok=3))))
