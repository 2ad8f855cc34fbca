"""The rules over layouts agree with the real Megatron on random jobs, most of them illegal in some way."""

from functools import cache
from random import Random
from typing import NamedTuple

import pytest

from ftspec.core.finding import Finding, Severity
from ftspec.pipeline import check_text
from ftspec.rules.example import job
from tests.oracles.megatron_oracle import Answer, Question, ask_megatron

SEEDS = range(150)
NOT_ASKED_BY_THE_PARSER = {"FT203", "FT205", "FT206", "FT216", "FT252", "FT253", "FT254", "FT234", "FT215"}
"""What Megatron refuses only when it builds its groups and layers or runs its schedule, or what it switches off in
silence (sequence parallelism without tensor parallelism): its argument parser takes them."""


class Drawn(NamedTuple):
    """A job, as ftspec and as Megatron are told it."""

    text: str
    question: Question


def draw(seed: int) -> Drawn:
    """A random job of a few GPUs; each number is drawn by itself, so that many do not go together."""
    random = Random(seed)
    heads = random.choice([8, 12, 16])
    layers = random.choice([4, 8, 12, 16])
    hidden = heads * 64
    tensor = random.choice([1, 1, 2, 4, 3, 8])
    pipeline, context = random.choice([1, 1, 2, 4, 3]), random.choice([1, 1, 2])
    virtual = random.choice([1, 1, 1, 2, 3]) if pipeline > 2 or random.random() < 0.1 else 1
    gpus = tensor * pipeline * context * random.choice([1, 2]) if random.random() < 0.85 else 8
    expert = random.choice([1, 1, 1, 2, 3])
    experts = random.choice([0, 0, 4, 6])
    length, positions = random.choice([512, 1024, 1026, 4096]), random.choice([1024, 4096])
    micro, total = random.choice([1, 2, 3]), random.choice([16, 24, 48, 20])
    moe = f"moe {{ num_experts = {experts}  num_experts_per_tok = 2  moe_intermediate_size = 512 }}" if experts else ""
    text = job(
        model=f"num_hidden_layers = {layers}  hidden_size = {hidden}  intermediate_size = 512  num_attention_heads ="
        f" {heads}  num_key_value_heads = {heads}  head_dim = 64  vocab_size = 1024  max_position_embeddings ="
        f" {positions}  tie_word_embeddings = false  {moe}",
        hardware=f'gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = {gpus}',
        training=f"stack = megatron  sequence_length = {length}  micro_batch_size = {micro}  global_batch_size ="
        f" {total}  steps = 10",
        parallelism=f"tensor = {tensor}  pipeline = {pipeline}  virtual_pipeline = {virtual}  context = {context} "
        f" expert = {expert}  sequence_parallel = {'true' if tensor > 1 else 'false'}",
    )
    flags = {
        "num-layers": layers,
        "hidden-size": hidden,
        "ffn-hidden-size": 512,
        "num-attention-heads": heads,
        "seq-length": length,
        "max-position-embeddings": positions,
        "micro-batch-size": micro,
        "global-batch-size": total,
        "tensor-model-parallel-size": tensor,
        "pipeline-model-parallel-size": pipeline,
        "context-parallel-size": context,
        "expert-model-parallel-size": expert,
        "vocab-size": 1024,
        "padded-vocab-size": 1024 * tensor,
        "train-iters": 10,
        "lr": 1e-5,
        "tokenizer-type": "NullTokenizer",
    }
    if virtual > 1:
        flags["num-virtual-stages-per-pipeline-rank"] = virtual
    if experts:
        flags |= {"num-experts": experts, "moe-router-topk": 2, "moe-ffn-hidden-size": 512}
    arguments = [part for flag, value in flags.items() for part in (f"--{flag}", str(value))]
    switches = ["--bf16", "--swiglu", "--disable-bias-linear", "--untie-embeddings-and-output-weights"]
    switches += ["--sequence-parallel"] if tensor > 1 else []
    pieces = pipeline * virtual
    if layers % pieces and (layers + 2) % pieces == 0 and layers > pieces:
        switches += ["--account-for-embedding-in-pipeline-split", "--account-for-loss-in-pipeline-split"]
    return Drawn(text, Question([*arguments, *switches], gpus))


@cache
def drawn() -> tuple[Drawn, ...]:
    return tuple(draw(seed) for seed in SEEDS)


@cache
def answers() -> tuple[Answer, ...]:
    return tuple(ask_megatron([each.question for each in drawn()]))


def refusals(text: str) -> list[Finding]:
    """Our errors over layout, batch and lengths."""
    found = check_text(text, "job.ft").findings
    return [each for each in found if each.severity is Severity.ERROR and "FT200" < each.code < "FT300"]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_megatron_refuses_the_rules_refuse(seed: int) -> None:
    answer, found = answers()[seed], refusals(drawn()[seed].text)
    if answer.refusal is not None:
        assert found, f"Megatron: {answer.refusal}\n{drawn()[seed].text}"
    else:
        assert not [each for each in found if each.code not in NOT_ASKED_BY_THE_PARSER]


def test_both_verdicts_are_common() -> None:
    refused = sum(answer.refusal is not None for answer in answers())
    assert 50 < refused < len(SEEDS) - 25
