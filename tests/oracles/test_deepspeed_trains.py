"""The emitted file trains a real model under real DeepSpeed, unchanged, and the engine holds what the estimate says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftspec.backends.deepspeed import BACKEND
from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import Plan
from ftspec.spec.model import Parallelism, Precision, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.deepspeed.plans import cpu_plan, target_of
from tests.oracles.deepspeed_extension import environment

STEPS = 8
PROCESSES = 2
WORKER = Path(__file__).with_name("deepspeed_worker.py")


def plan_at(zero_stage: int, **precision: Any) -> Plan:
    """The tiny job at a ZeRO stage."""
    training = Training(
        sequence_length=32,
        micro_batch_size=2,
        gradient_accumulation_steps=2,
        optimizer=OptimizerChoice(kind="adamw", learning_rate=5e-3),
    )
    return cpu_plan(
        processes=PROCESSES,
        training=training,
        precision=Precision(compute="bf16", **precision),
        parallelism=Parallelism(zero_stage=zero_stage),
    )


PLANS = {f"stage{stage}": plan_at(stage) for stage in (1, 2, 3)}


def shape_for_transformers(plan: Plan) -> dict[str, Any]:
    """The plan's shape under the names of LlamaConfig."""
    shape = plan.model.shape
    names = (
        "num_hidden_layers hidden_size intermediate_size num_attention_heads num_key_value_heads head_dim vocab_size "
        "tie_word_embeddings max_position_embeddings"
    )
    return {name: getattr(shape, name) for name in names.split()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What each rank said of each plan's training, all in one launch."""
    directory = tmp_path_factory.mktemp("deepspeed")
    for name, plan in PLANS.items():
        (artefact,) = BACKEND.compile(plan, target_of())
        (directory / f"{name}.json").write_text(artefact.text, encoding="utf-8")
    plan = next(iter(PLANS.values()))
    job = {
        "shape": shape_for_transformers(plan),
        "configurations": [f"{name}.json" for name in PLANS],
        "steps": STEPS,
        "sequence_length": plan.training.sequence_length,
    }
    (directory / "job.json").write_text(json.dumps(job))
    launch(directory)
    return {
        name: [json.loads((directory / f"{name}.json.rank{rank}.json").read_text()) for rank in range(PROCESSES)]
        for name in PLANS
    }


def launch(directory: Path) -> None:
    """Start the workers."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={PROCESSES}"]
    command += [str(WORKER), str(directory)]
    variables = {**os.environ, **environment()}
    done = subprocess.run(command, env=variables, check=False, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("name", PLANS)
def test_the_loss_falls(runs: dict[str, list[dict[str, Any]]], name: str) -> None:
    plan = PLANS[name]
    for said in runs[name]:
        losses = said["losses"]
        assert len(losses) == STEPS
        assert losses[-1] < 0.7 * losses[0]
        assert said["global_steps"] == STEPS
        assert said["train_batch_size"] == plan.training.global_batch_size
        assert said["zero_stage"] == plan.parallelism.zero_stage


def test_the_stages_compute_the_same(runs: dict[str, list[dict[str, Any]]]) -> None:
    """ZeRO changes where things lie, not what is computed."""
    first = [said["losses"] for said in runs["stage1"]]
    for name in ("stage2", "stage3"):
        for expected, said in zip(first, runs[name], strict=True):
            assert said["losses"] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("term", ["parameters", "master_parameters"])
def test_the_engine_holds_what_the_estimate_says(runs: dict[str, list[dict[str, Any]]], name: str, term: str) -> None:
    """Byte for byte on every rank: the flat buffers of stages 1 and 2 are padded to 2 × data parallel elements
    (deepspeed/runtime/zero/stage_1_and_2.py, `nccl_start_alignment_factor`), and at stage 3 each parameter by
    itself to the data-parallel size (deepspeed/runtime/zero/partition_parameters.py, `_aligned_size`).
    """
    (stage,) = estimate_memory(PLANS[name]).stages
    assert [said[term] for said in runs[name]] == [stage.terms[term]] * PROCESSES


@pytest.mark.parametrize("name", PLANS)
def test_the_optimizer_holds_what_the_estimate_says(runs: dict[str, list[dict[str, Any]]], name: str) -> None:
    """The moments to the byte; torch's AdamW, which a CPU gets, adds one fp32 step counter for its one flat tensor."""
    (stage,) = estimate_memory(PLANS[name]).stages
    for said in runs[name]:
        assert said["counters"] == 4
        assert said["moments"] + said["counters"] - stage.terms["optimizer_states"] in (0, 4)
