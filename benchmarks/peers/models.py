"""The real model of a plan on torch's meta device: parameters without memory, and without a download."""

from dataclasses import replace
from functools import cache
from typing import Any

from ftspec.catalog.models import ModelRow, find_model
from ftspec.catalog.shape import ModelShape
from ftspec.plan.model import Plan


@cache
def _meta_model(name: str, shape: ModelShape) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    from tests.oracles.transformers_models import transformers_config

    row = find_model(name)
    assert isinstance(row, ModelRow), name
    config = transformers_config(replace(row, shape=replace(shape, rope_scaling=None)))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    return model


def meta_model(plan: Plan) -> Any:
    """The causal language model of a plan."""
    return _meta_model(plan.model.id, plan.model.shape)
