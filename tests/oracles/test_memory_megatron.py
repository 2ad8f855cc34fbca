"""Weights and optimizer against Megatron's own report, on random legal layouts; whole steps against its real modules,
traced here and now.
"""

import json
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import Plan
from ftspec.spec.model import Model, Parallelism, Precision, Training
from tests.memory.megatron_cases import Case, as_row, case_plan
from tests.memory.plans import plan_of, states_of
from tests.oracles.megatron_memory import weight_and_optimizer_bytes

LAYOUTS = 200
MODELS = {
    "meta-llama/Llama-3.1-70B": 80,
    "meta-llama/Llama-3.1-8B": 32,
    "meta-llama/Llama-2-7b-hf": 32,
    "meta-llama/Llama-3.2-1B": 16,
    "mistralai/Mistral-7B-v0.3": 32,
}
"""Grouped and plain heads, tied and untied, by their layers."""


def random_plan(choose: random.Random) -> Plan | None:
    """A layout that Megatron takes, or None."""
    model = choose.choice(list(MODELS))
    tensor, pipeline = choose.choice((1, 2, 4, 8)), choose.choice((1, 2, 4, 8))
    virtual = choose.choice((1, 2)) if pipeline > 2 else 1
    data = choose.choice((1, 2, 4, 16))
    if MODELS[model] % (pipeline * virtual):
        return None
    distributed = choose.random() < 0.6
    layout = Parallelism(
        tensor=tensor,
        pipeline=pipeline,
        virtual_pipeline=virtual,
        data=data,
        sequence_parallel=tensor > 1 and choose.random() < 0.7,
        distributed_optimizer=distributed,
        zero_stage=1 if distributed else 0,
    )
    training = Training(sequence_length=2048, micro_batch_size=1, gradient_accumulation_steps=2 * pipeline)
    return plan_of(
        "megatron",
        model=Model(from_=model),
        gpus=tensor * pipeline * data,
        precision=Precision(compute="bf16"),
        training=training,
        parallelism=layout,
    )


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    choose, made = random.Random(20), []
    while len(made) < LAYOUTS:
        plan = random_plan(choose)
        made += [plan] if plan is not None else []
    return made


def test_states_are_megatron_s_own_within_one_percent(plans: list[Plan]) -> None:
    """megatron/training/theoretical_memory_usage.py, `compute_weight_and_optimizer_memory`."""
    theirs = weight_and_optimizer_bytes(plans)
    for plan, reported in zip(plans, theirs, strict=True):
        ours = max(states.total for states in states_of(plan))
        assert ours == pytest.approx(reported, rel=0.01), plan.parallelism


def test_the_layouts_are_of_every_kind(plans: list[Plan]) -> None:
    """Else the comparison would show little."""
    layouts = [plan.parallelism for plan in plans]
    for axis in ("tensor", "pipeline", "virtual_pipeline", "data", "sequence_parallel", "distributed_optimizer"):
        assert len({getattr(layout, axis) for layout in layouts}) > 1
    assert len({plan.model.shape.tie_word_embeddings for plan in plans}) == 2


LIVE = [
    Case("meta-llama/Llama-3.2-3B", 3, sequence_length=1536, micro_batch_size=2),
    Case("Qwen/Qwen2.5-7B", 2, tensor=4, sequence_parallel=True, data=2, distributed_optimizer=True),
    Case("meta-llama/Llama-3.2-1B", 6, pipeline=3, stage=1, micro_batches=6, checkpointing="selective"),
    Case("mistralai/Mixtral-8x7B-v0.1", 1, sequence_length=1024, data=2, expert=2),
    Case("deepseek-ai/DeepSeek-V2-Lite", 2, sequence_length=1024, checkpointing="full"),
]
KEPT = json.loads((Path(__file__).parents[1] / "memory" / "megatron_traces.json").read_text())["rows"][0]
"""One of the traces that lie in `tests/memory/megatron_traces.json`."""


@cache
def traced() -> list[dict[str, int]]:
    """The live cases and the kept one, traced in a process of their own."""
    asked = json.dumps([*map(as_row, LIVE), KEPT["case"]])
    command = [sys.executable, "-W", "ignore", "-m", "tests.oracles.megatron_trace_worker"]
    untraced = {name: value for name, value in os.environ.items() if "COV" not in name}
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=untraced,
        input=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[dict[str, int]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("case", LIVE, ids=str)
def test_a_step_of_megatron_s_own_modules(case: Case) -> None:
    stage = estimate_memory(case_plan(case)).stages[case.stage]
    assert stage.allocated_peak_bytes == pytest.approx(traced()[LIVE.index(case)]["peak"], rel=5e-3)


def test_the_kept_traces_are_what_is_traced_today() -> None:
    assert traced()[-1]["peak"] == pytest.approx(KEPT["peak"], abs=1024)  # a few step counters
