"""The emitted file trains a real model under real DeepSpeed, unchanged, and the engine holds what the estimate says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftspec.backends.base import Artefact
from ftspec.backends.deepspeed import BACKEND
from ftspec.backends.deepspeed.emit import PATH
from ftspec.memory.estimate import estimate_memory
from ftspec.pipeline import check_file, compile_checked
from ftspec.plan.model import Plan
from ftspec.spec.model import Parallelism, Precision, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.deepspeed.plans import cpu_plan, target_of
from tests.oracles.deepspeed_extension import environment

Jobs = dict[str, tuple[Plan, Artefact]]
Runs = dict[str, list[dict[str, Any]]]

STEPS = 8
PROCESSES = 2
STAGES = (1, 2, 3)
WORKER = Path(__file__).with_name("deepspeed_worker.py")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tiny-cpu.ft"


def odd_job(zero_stage: int) -> tuple[Plan, Artefact]:
    """A job of odd widths, where buffers must be padded, with gradient accumulation."""
    training = Training(
        sequence_length=32,
        micro_batch_size=2,
        gradient_accumulation_steps=2,
        optimizer=OptimizerChoice(kind="adamw", learning_rate=5e-3),
    )
    plan = cpu_plan(
        processes=PROCESSES,
        training=training,
        precision=Precision(compute="bf16"),
        parallelism=Parallelism(zero_stage=zero_stage),  # type: ignore[arg-type]
    )
    return plan, BACKEND.compile(plan, target_of())[0]


def example_job(zero_stage: int) -> tuple[Plan, Artefact]:
    """The shipped example, as the command line compiles it."""
    checked = check_file(str(EXAMPLE), (f"parallelism.zero_stage={zero_stage}",), to=("deepspeed",))
    assert checked.exit_code == 0
    (job,) = checked.jobs
    (artefact,) = [each for each in compile_checked(checked) if each.path == PATH]
    return job.plan, artefact


NAMES = [f"{kind}-stage{stage}" for kind in ("odd", "example") for stage in STAGES]


@pytest.fixture(scope="module")
def jobs() -> Jobs:
    """Plan and file of each training."""
    return {
        **{f"odd-stage{stage}": odd_job(stage) for stage in STAGES},
        **{f"example-stage{stage}": example_job(stage) for stage in STAGES},
    }


def shape_for_transformers(plan: Plan) -> dict[str, Any]:
    """The plan's shape under the names of LlamaConfig."""
    shape = plan.model.shape
    names = (
        "num_hidden_layers hidden_size intermediate_size num_attention_heads num_key_value_heads head_dim vocab_size "
        "tie_word_embeddings max_position_embeddings"
    )
    return {name: getattr(shape, name) for name in names.split()}


@pytest.fixture(scope="module")
def runs(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """What each rank said of each job's training, all in one launch."""
    directory = tmp_path_factory.mktemp("deepspeed")
    described = []
    for name, (plan, artefact) in jobs.items():
        (directory / name).write_text(artefact.text, encoding="utf-8")
        length = plan.training.sequence_length
        described.append(
            {"name": name, "shape": shape_for_transformers(plan), "steps": STEPS, "sequence_length": length}
        )
    (directory / "jobs.json").write_text(json.dumps(described))
    launch(directory)
    ranks = range(PROCESSES)
    return {name: [json.loads((directory / f"{name}.rank{rank}").read_text()) for rank in ranks] for name in jobs}


def launch(directory: Path) -> None:
    """Start the workers."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={PROCESSES}"]
    command += [str(WORKER), str(directory)]
    variables = {**os.environ, **environment()}
    done = subprocess.run(command, env=variables, check=False, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_falls(jobs: Jobs, runs: Runs, name: str) -> None:
    plan, _ = jobs[name]
    for said in runs[name]:
        losses = said["losses"]
        assert len(losses) == STEPS
        assert losses[-1] < 0.8 * losses[0]
        assert said["global_steps"] == STEPS
        assert said["train_batch_size"] == plan.training.global_batch_size
        assert said["zero_stage"] == plan.parallelism.zero_stage


@pytest.mark.parametrize("name", ["odd", "example"])
@pytest.mark.parametrize("stage", [2, 3])
def test_the_stages_compute_the_same(runs: Runs, name: str, stage: int) -> None:
    """ZeRO changes where things lie, not what is computed."""
    for first, said in zip(runs[f"{name}-stage1"], runs[f"{name}-stage{stage}"], strict=True):
        assert said["losses"] == pytest.approx(first["losses"], rel=0.05)


def test_the_odd_jobs_need_every_padding(jobs: Jobs) -> None:
    """Else the next test would not show that the padding is counted."""
    plan, _ = jobs["odd-stage1"]
    assert plan.model.parameters % (2 * PROCESSES)
    assert plan.model.shape.hidden_size % PROCESSES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("term", ["parameters", "master_parameters"])
def test_the_engine_holds_what_the_estimate_says(jobs: Jobs, runs: Runs, name: str, term: str) -> None:
    """Byte for byte on every rank: the flat buffers of stages 1 and 2 are padded to 2 × data parallel elements
    (deepspeed/runtime/zero/stage_1_and_2.py, `nccl_start_alignment_factor`), and at stage 3 each parameter by
    itself to the data-parallel size (deepspeed/runtime/zero/partition_parameters.py, `_aligned_size`).
    """
    (stage,) = estimate_memory(jobs[name][0]).stages
    assert [said[term] for said in runs[name]] == [stage.terms[term]] * PROCESSES


@pytest.mark.parametrize("name", NAMES)
def test_the_optimizer_holds_what_the_estimate_says(jobs: Jobs, runs: Runs, name: str) -> None:
    """The moments to the byte; torch's AdamW, which a CPU gets, adds one fp32 step counter for its one flat tensor."""
    (stage,) = estimate_memory(jobs[name][0]).stages
    for said in runs[name]:
        assert said["counters"] == 4
        assert said["moments"] + said["counters"] - stage.terms["optimizer_states"] in (0, 4)
