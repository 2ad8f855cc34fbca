"""Padding is told: the shards of states, without it, add up to the states of the model."""

import pytest

from ftspec.memory.estimate import estimate_memory
from ftspec.memory.holdings import Degrees, Holding, tensorwise_part
from ftspec.memory.padding import padding_by_stage, shard_padding
from ftspec.memory.shard import Shard, Tensor, counted
from ftspec.memory.states import flat_elements
from tests.rules.checking import plan_of

GPT2 = 'from = "openai-community/gpt2"'  # 50,257 tokens, which nothing divides
STATES = ("parameters", "gradients", "master_parameters", "optimizer_states")


@pytest.mark.parametrize(
    ("training", "parallelism", "precision"),
    [
        ("stack = deepspeed", "zero_stage = 3", "gradients = bf16"),
        ("stack = deepspeed", "zero_stage = 2", "gradients = bf16"),
        ("stack = fsdp2", "zero_stage = 3", "parameters = fp32"),
    ],
)
@pytest.mark.parametrize("ranks", [1, 7, 8])
def test_shards_without_their_padding_are_the_whole(
    training: str, parallelism: str, precision: str, ranks: int
) -> None:
    plan = plan_of(
        model=GPT2,
        hardware=f'gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = {ranks}',
        training=f"{training}  gradient_accumulation_steps = 4",
        parallelism=parallelism if ranks > 1 else "",
        precision=f"compute = bf16  {precision}",
    )
    stage = estimate_memory(plan).stages[0]
    (padding,) = padding_by_stage(plan)
    held = sum(stage.terms[name] for name in STATES)
    if plan.parallelism.zero_stage == 2:  # the weights are whole on every rank
        weights = stage.terms["parameters"]
        held = held - weights + weights // ranks
    whole = 16 * plan.model.parameters
    counters = 4 * 148  # an unfused torch optimizer counts the steps of each tensor
    assert abs(ranks * (held - padding) - whole) <= ranks * (64 + counters)
    assert (padding > 0) == (ranks == 7 or (ranks == 8 and "fsdp2" in training))


@pytest.mark.parametrize("stack", ["megatron", "megatron_deepspeed"])
def test_the_rows_that_no_token_has_are_padding(stack: str) -> None:
    plan = plan_of(model=GPT2, training=f"stack = {stack}", parallelism="tensor = 2  data = 4")
    stage = estimate_memory(plan).stages[0]
    (padding,) = padding_by_stage(plan)
    bytes_of_a_weight = sum(stage.terms[name] for name in STATES) / (stage.terms["parameters"] / 2)
    assert padding == pytest.approx((50432 - 50257) * 768 / 2 * bytes_of_a_weight, rel=1e-3)
    untied = plan_of(
        model=f"{GPT2}  vocab_size = 50432", training=f"stack = {stack}", parallelism="tensor = 2  data = 4"
    )
    assert padding_by_stage(untied) == (0,)


@pytest.mark.parametrize("ranks", [1, 2, 7, 64])
def test_whole_and_padding_are_ranks_times_part(ranks: int) -> None:
    sizes = ((Tensor(5, 3), 2), (Tensor(64, 7), 1), (Tensor(1, 11), 4))
    degrees, whole = Degrees(ranks, 1), counted(sizes)
    holding = Holding(whole, 0, 0, 7)
    for by_rows in (True, False):
        part = tensorwise_part(Shard(sizes, ()), degrees, by_rows)
        added = ranks * shard_padding(part, holding, degrees)
        assert 0 <= whole + added - ranks * part < ranks
    padded, part = flat_elements(holding, degrees)
    assert padded == ranks * part
    assert 0 <= padded - whole < 2 * ranks
    assert 0 <= ranks * shard_padding(part, holding, degrees) - (padded - whole) < ranks
