"""The angles that Megatron's model computes from our flags are those of transformers for the same row."""

from functools import cache
from typing import Any

import pytest
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from ftspec.backends.megatron.rotary_arguments import dropped_factor
from ftspec.catalog.models import ModelRow, find_model
from ftspec.catalog.shape import ModelShape
from tests.oracles.megatron_memory import megatron_arguments
from tests.oracles.megatron_rotary import POSITIONS, ask_rotary
from tests.oracles.test_megatron_models import shallow_plan
from tests.oracles.transformers_models import transformers_config

NAMES = (
    "Meta-Llama-3-8B",
    "Llama-3.1-8B",
    "Qwen2.5-7B",
    "deepseek-coder-6.7b-base",
    "gpt-oss-20b",
    "DeepSeek-V3",
    "stablelm-2-1_6b",
    "Mixtral-8x7B-v0.1",
    "Llama-3.2-1B",
)
"""Each kind of scaling, each place of the base, and the factor that Megatron loses."""


def row_of(name: str) -> ModelRow:
    row = find_model(name)
    assert isinstance(row, ModelRow)
    return row


@cache
def answers() -> dict[str, dict[str, Any]]:
    return dict(zip(NAMES, ask_rotary([megatron_arguments(shallow_plan(name)) for name in NAMES]), strict=True))


def real_angles(row: ModelRow) -> tuple[list[float], float]:
    """The angles of the last position, and the factor on cosine and sine, as transformers computes them."""
    shape, config = row.shape, transformers_config(row)
    if shape.rope_scaling is None:
        frequencies, factor = plain_frequencies(shape), 1.0
    else:
        if shape.mla is not None:
            config.head_dim = shape.mla.qk_rope_head_dim
        frequencies, factor = ROPE_INIT_FUNCTIONS[shape.rope_scaling.rope_type](config, torch.device("cpu"))
    return ((POSITIONS - 1) * frequencies).tolist(), factor


def plain_frequencies(shape: ModelShape) -> torch.Tensor:
    width = shape.mla.qk_rope_head_dim if shape.mla else int(shape.head_dim * shape.partial_rotary_factor)
    assert shape.rope_theta is not None
    return 1.0 / shape.rope_theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)


@pytest.mark.parametrize("name", [name for name in NAMES if dropped_factor(row_of(name).shape) is None])
def test_the_angles_are_those_of_transformers(name: str) -> None:
    angles, factor = real_angles(row_of(name))
    assert answers()[name]["angles"] == pytest.approx(angles, rel=1e-5)
    assert answers()[name]["factor"] == pytest.approx(factor)


def test_megatron_drops_the_factor_of_llama_3_2() -> None:
    angles, _ = real_angles(row_of("Llama-3.2-1B"))
    built = answers()["Llama-3.2-1B"]["angles"]
    assert built[0] == pytest.approx(angles[0], rel=1e-5)
    assert built[-1] == pytest.approx(angles[-1] * 32 / 8, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_epsilon_is_the_row_s(name: str) -> None:
    assert answers()[name]["epsilons"] == [row_of(name).shape.norm_epsilon]
