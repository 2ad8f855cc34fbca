"""The model that Megatron builds from our arguments has exactly the parameters that the plan counts."""

from dataclasses import replace
from functools import cache

import pytest

from ftspec.backends.megatron.expressible import inexpressible
from ftspec.catalog.models import model_ids
from ftspec.catalog.parameters import count_parameters
from ftspec.catalog.shape import ModelShape
from ftspec.plan.model import Plan
from ftspec.spec.model import Hardware, Model, Training
from tests.backends.megatron.plans import make_plan
from tests.oracles.megatron_memory import megatron_arguments
from tests.oracles.megatron_models import count_megatron_parameters

VOCABULARY = 1280
"""A multiple of 128, so that nothing is padded."""


def shallow_plan(name: str) -> Plan:
    return make_plan(
        model=Model(from_=name, num_hidden_layers=4, vocab_size=VOCABULARY),
        hardware=Hardware(gpu="H100-SXM5-80GB", nodes=1, gpus_per_node=1),
        training=Training(sequence_length=128, steps=10),
    )


def kind(shape: ModelShape) -> object:
    """A shape without its widths."""
    grouped = shape.num_attention_heads != shape.num_key_value_heads
    narrow = shape.hidden_size != shape.num_attention_heads * shape.head_dim
    moe, mla = shape.moe, shape.mla
    return replace(
        shape,
        hidden_size=int(narrow),
        intermediate_size=0,
        num_attention_heads=0,
        num_key_value_heads=int(grouped),
        head_dim=0,
        max_position_embeddings=0,
        norm_epsilon=None,
        rope_theta=None,
        partial_rotary_factor=1.0,
        rope_scaling=None,
        moe=replace(moe, num_experts=0, num_experts_per_tok=0, moe_intermediate_size=0) if moe else None,
        mla=replace(mla, q_lora_rank=None, kv_lora_rank=0) if mla else None,
    )


@cache
def plans() -> dict[str, Plan]:
    """One plan for every kind of model in the catalog that Megatron can build; rows of one kind differ in widths."""
    kinds: dict[object, Plan] = {}
    for name in model_ids():
        plan = shallow_plan(name)
        shape = plan.model.shape
        if not any(inexpressible(shape)):
            kinds.setdefault(kind(shape), plan)
    return {plan.model.id: plan for plan in kinds.values()}


@cache
def counts() -> dict[str, int | str]:
    built = count_megatron_parameters([megatron_arguments(plan) for plan in plans().values()])
    return dict(zip(plans(), built, strict=True))


@pytest.mark.parametrize("name", plans())
def test_parameters(name: str) -> None:
    assert counts()[name] == count_parameters(plans()[name].model.shape)


def test_many_kinds_of_model_are_built() -> None:
    assert len(plans()) > 20
    assert any(plan.model.shape.mla for plan in plans().values())
    assert sum(1 for plan in plans().values() if plan.model.shape.moe) > 4
