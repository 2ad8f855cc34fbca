"""The router that Megatron builds from our flags gives each expert the weight that transformers' router gives it."""

import sys
from functools import cache
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from ftspec.catalog.models import ModelRow, find_model
from tests.oracles.megatron_memory import megatron_arguments
from tests.oracles.megatron_routing import TOKENS, ask_routing, logits_and_bias
from tests.oracles.test_megatron_models import shallow_plan
from tests.oracles.transformers_models import transformers_config

NAMES = (
    "deepseek-ai/DeepSeek-V3",
    "moonshotai/Kimi-K2-Instruct",
    "zai-org/GLM-4.5",
    "zai-org/GLM-4.5-Air",
    "Qwen/Qwen1.5-MoE-A2.7B",
    "Qwen/Qwen3-30B-A3B",
    "mistralai/Mixtral-8x7B-v0.1",
)
"""Each score function, with and without groups, scaling and weights that sum to 1."""


@cache
def answers() -> dict[str, list[list[float]]]:
    return dict(zip(NAMES, ask_routing([megatron_arguments(shallow_plan(name)) for name in NAMES]), strict=True))


def real_router(row: ModelRow) -> Any:
    """The router of the row's class in transformers, which takes logits as they are."""
    config = transformers_config(row)
    assert row.shape.moe is not None
    config.hidden_size = row.shape.moe.num_experts
    module = sys.modules[AutoModelForCausalLM._model_mapping[type(config)].__module__]
    kinds = [kind for name, kind in vars(module).items() if name.lower().endswith("topkrouter")]
    [kind] = kinds
    router = kind(config)
    router.weight.data = torch.eye(config.hidden_size)
    return router


@pytest.mark.parametrize("name", NAMES)
def test_weights(name: str) -> None:
    row = find_model(name)
    assert isinstance(row, ModelRow)
    router = real_router(row)
    logits, bias = logits_and_bias(router.weight.shape[0])
    if hasattr(router, "e_score_correction_bias"):
        router.e_score_correction_bias.data = bias
    _, chosen, experts = router(logits)
    weights = torch.zeros(TOKENS, logits.shape[1]).scatter(1, experts, chosen.detach())
    assert torch.count_nonzero(weights) == TOKENS * experts.shape[1]
    torch.testing.assert_close(torch.tensor(answers()[name]), weights)
