"""The real DeepSpeedConfig loads what is emitted, and reads the plan's values out of it."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.backends.deepspeed import BACKEND
from ftspec.backends.deepspeed.facts import counted_batch, shards_layers_itself, uses_ulysses
from ftspec.core.finding import Severity, has_errors
from ftspec.pipeline import check_file
from ftspec.plan.model import Plan
from ftspec.rules.families import plan_findings
from ftspec.spec.methods import Full
from ftspec.spec.model import Checkpointing, Model, Offload, Parallelism, Precision, Scheduler, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.deepspeed.plans import cpu_plan, plan_of, target_of
from tests.oracles.deepspeed_oracle import load

MIXTRAL = Model(from_="mistralai/Mixtral-8x7B-v0.1", num_hidden_layers=4)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TORCH_NAMES = {"fp32": "torch.float32", "bf16": "torch.bfloat16", "fp16": "torch.float16"}

LAYOUTS: dict[str, dict[str, Any]] = {
    "data": {},
    "tensor": {"tensor": 2},
    "pipeline": {"pipeline": 2},
    "both": {"tensor": 2, "pipeline": 2},
    "context": {"context": 2},
    "experts": {"expert": 4},
}
OPTIMIZERS = ("adamw", "adam", "sgd", "adamw_8bit", "adafactor", "muon", "lion")


def training(**fields: Any) -> Training:
    """A batch with all three numbers different."""
    return Training(
        **{"micro_batch_size": 2, "gradient_accumulation_steps": 4, "steps": 1000, "method": Full(), **fields}
    )


def emitted(plan: Plan) -> dict[str, Any]:
    """The plan's file, which no rule has an error against."""
    target = target_of(nvme_path="/local_nvme")
    errors = [finding for finding in BACKEND.check(plan, target) if finding.severity is Severity.ERROR]
    assert errors == []
    (artefact,) = BACKEND.compile(plan, target)
    content: dict[str, Any] = json.loads(artefact.text)
    return content


def batch_ranks(plan: Plan) -> int:
    """What DeepSpeed divides the batch by: an mpu's answer, or without one (AutoTP, Ulysses) every process."""
    return plan.hardware.world_size if shards_layers_itself(plan) or uses_ulysses(plan) else plan.parallelism.data


def assert_read(plan: Plan) -> None:
    """DeepSpeed accepts the file and has the plan's values."""
    values = emitted(plan)
    loaded = load(values, batch_ranks(plan))
    assert loaded.refusal is None
    read, job, precision = loaded.config, plan.training, plan.precision
    assert read.train_micro_batch_size_per_gpu == job.micro_batch_size
    assert read.gradient_accumulation_steps == job.gradient_accumulation_steps
    assert read.train_batch_size == (counted_batch(plan) if shards_layers_itself(plan) else job.global_batch_size)
    assert read.gradient_clipping == job.gradient_clipping
    assert read.zero_optimization_stage == plan.parallelism.zero_stage
    assert read.bfloat16_config.enabled is (precision.parameters == "bf16")
    assert read.float16_config.enabled is (precision.parameters == "fp16")
    assert read.grad_accum_dtype == precision.gradients
    assert str(read.communication_data_type) == TORCH_NAMES[precision.parameters]
    assert read.tensor_parallel_config.autotp_size == (plan.parallelism.tensor if shards_layers_itself(plan) else 0)


@pytest.mark.parametrize(("layout", "zero_stage"), list(product(LAYOUTS, range(4))))
@pytest.mark.parametrize("stack", ["deepspeed", "megatron_deepspeed"])
def test_layouts(layout: str, zero_stage: int, stack: Any) -> None:
    if zero_stage > 1 and layout in ("pipeline", "both"):
        pytest.skip("a rule over plans refuses ZeRO 2 and 3 with a pipeline")
    if zero_stage == 3 and layout == "experts" and stack == "megatron_deepspeed":
        pytest.skip("refused by a rule")
    blocks = {"model": MIXTRAL} if layout == "experts" else {}
    parallelism = Parallelism(zero_stage=zero_stage, **LAYOUTS[layout])
    assert_read(plan_of(parallelism=parallelism, training=training(stack=stack), **blocks))


@pytest.mark.parametrize(
    "precision",
    [
        Precision(compute="bf16"),
        Precision(compute="fp16"),
        Precision(compute="fp32"),
        Precision(compute="bf16", parameters="fp32"),
        Precision(compute="fp16", parameters="fp32"),
        Precision(compute="bf16", gradients="fp32"),
        Precision(compute="bf16", master_parameters="none", optimizer_states="bf16"),
    ],
    ids=str,
)
@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_data_types(precision: Precision, zero_stage: int) -> None:
    plan = plan_of(precision=precision, parallelism=Parallelism(zero_stage=zero_stage), training=training())
    assert_read(plan)
    read = load(emitted(plan), batch_ranks(plan)).config
    assert read.torch_autocast_enabled is (plan.precision.parameters != plan.precision.compute)
    if read.torch_autocast_enabled:
        assert str(read.torch_autocast_dtype) == TORCH_NAMES[plan.precision.compute]
    narrow = plan.precision.parameters == "bf16" and plan.precision.master_parameters == "none"
    assert read.bfloat16_config.bf16_master_weights_and_grads is narrow
    assert read.bfloat16_config.bf16_optimizer_states is narrow


@pytest.mark.parametrize(("optimizer", "parameters"), list(product(("none", "cpu", "nvme"), repeat=2)))
def test_offload(optimizer: Any, parameters: Any) -> None:
    plan = plan_of(parallelism=Parallelism(zero_stage=3, offload=Offload(optimizer, parameters)), training=training())
    assert_read(plan)
    zero = load(emitted(plan), batch_ranks(plan)).config.zero_config
    for device, block in ((optimizer, zero.offload_optimizer), (parameters, zero.offload_param)):
        assert (block.device if block else "none") == device
        assert str(block.nvme_path if block else None) == ("/local_nvme" if device == "nvme" else "None")


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
def test_optimizers(kind: Any, zero_stage: int) -> None:
    if kind == "adafactor" and zero_stage > 0:
        pytest.skip("refused by a rule")
    choice = OptimizerChoice(kind=kind, learning_rate=2e-4, weight_decay=0.05)
    plan = plan_of(parallelism=Parallelism(zero_stage=zero_stage), training=training(optimizer=choice))
    assert_read(plan)
    read = load(emitted(plan), batch_ranks(plan)).config
    if kind == "adamw_8bit":
        assert read.optimizer_name is None
    else:
        assert read.optimizer_params["lr"] == 2e-4
        assert read.optimizer_params["weight_decay"] == 0.05
    assert read.zero_allow_untested_optimizer is (zero_stage > 0 and kind in ("sgd", "adafactor", "adamw_8bit"))


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warmup_steps", [0, 10])
def test_schedules(kind: Any, warmup_steps: int) -> None:
    schedule = Scheduler(kind=kind, warmup_steps=warmup_steps, minimum_learning_rate=1e-6)
    assert_read(plan_of(training=training(learning_rate_scheduler=schedule)))


@pytest.mark.parametrize("pipeline", [1, 2])
@pytest.mark.parametrize("kind", ["none", "selective", "full"])
def test_activation_checkpointing(kind: Any, pipeline: int) -> None:
    checkpointing = Checkpointing(kind=kind, every=2)
    plan = plan_of(
        training=training(activation_checkpointing=checkpointing),
        parallelism=Parallelism(pipeline=pipeline, zero_stage=1),
    )
    assert_read(plan)
    read = load(emitted(plan), batch_ranks(plan)).config
    whole_layers = kind == "full"
    assert read.activation_checkpointing_config.number_checkpoints == (16 // pipeline // 2 if whole_layers else None)
    assert read.pipeline["activation_checkpoint_interval"] == (2 if whole_layers and pipeline > 1 else 0)


def test_a_cpu_gets_torchs_optimizer() -> None:
    plan = cpu_plan(training=training())
    assert_read(plan)
    assert load(emitted(plan), batch_ranks(plan)).config.optimizer_params["torch_adam"] is True


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ft")), ids=lambda path: path.stem)
def test_the_examples(path: Path) -> None:
    checked = check_file(str(path))
    assert checked.document is not None
    if checked.exit_code or "deepspeed" not in {block.name for block in checked.document.targets}:
        pytest.skip("not for DeepSpeed, or wrong on purpose")
    assert_read(next(job.plan for job in checked.jobs if job.plan.training.stack in BACKEND.stacks))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    stack=st.sampled_from(["deepspeed", "megatron_deepspeed"]),
    precision=st.builds(
        Precision,
        compute=st.sampled_from(["bf16", "fp16", "fp32"]),
        parameters=st.sampled_from([None, None, "fp32"]),
        master_parameters=st.sampled_from([None, None, "none"]),
        gradients=st.sampled_from([None, "fp32"]),
        optimizer_states=st.sampled_from([None, None, None, "bf16"]),
    ),
    parallelism=st.builds(
        Parallelism,
        tensor=st.sampled_from([1, 2, 4]),
        pipeline=st.sampled_from([1, 2]),
        context=st.sampled_from([1, 2]),
        zero_stage=st.integers(0, 3),
        offload=st.sampled_from([None, None, None, Offload("cpu"), Offload("nvme", "cpu")]),
    ),
    optimizer=st.builds(OptimizerChoice, st.sampled_from(OPTIMIZERS), fused=st.booleans()),
    scheduler=st.builds(Scheduler, st.sampled_from(["constant", "linear", "cosine"]), st.integers(0, 5)),
    checkpointing=st.builds(Checkpointing, st.sampled_from(["none", "selective", "full"]), st.integers(1, 20)),
)
def test_whatever_has_no_error_is_read(
    *, stack: Any, precision: Any, parallelism: Any, optimizer: Any, scheduler: Any, checkpointing: Any
) -> None:
    fields = {"optimizer": optimizer, "learning_rate_scheduler": scheduler, "activation_checkpointing": checkpointing}
    plan = plan_of(precision=precision, training=training(stack=stack, **fields), parallelism=parallelism)
    found = plan_findings(plan) + BACKEND.check(plan, target_of(nvme_path="/local_nvme"))
    if not has_errors(found):
        assert_read(plan)


def test_the_oracle_refuses() -> None:
    """The oracle is no rubber stamp."""
    values = emitted(plan_of(parallelism=Parallelism(zero_stage=2)))
    assert load(values, 8).refusal is None
    assert "train_batch_size" in str(load(values, 7).refusal)
    assert "simultaneously" in str(load({**values, "fp16": {"enabled": True}}, 8).refusal)
    assert "typo" in str(load({**values, "zero_optimization": {"typo": 1}}, 8).refusal)
