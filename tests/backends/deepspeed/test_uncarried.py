"""Whatever the user writes is in the file, or a finding names it."""

import re

import pytest

from ftspec.backends.deepspeed.carried import spec_path
from ftspec.core.finding import Finding, Severity
from ftspec.pipeline import check_text, compile_checked
from ftspec.plan.fields import plan_paths, value_at
from ftspec.plan.model import Plan
from ftspec.rules.example import SMALL_MIXTRAL, job

TARGET = "target deepspeed {}\n"
ONE_OF = "hardware.", "model.", "name", "training.stack", "storage.kind", "storage.read_", "storage.write_"
"""Fields that describe the job: nobody has to be told."""
SILENCE = {1, False, "none", "full", "standard", "constant", "1f1b"}
"""What the file says of the layout and of the words by having no key."""


def checked_job(**blocks: str) -> tuple[Plan, list[Finding], set[str]]:
    """A job's plan, its findings, and the plan paths in the origins of its file."""
    checked = check_text(job(**blocks) + TARGET, "job.ft")
    assert not [each for each in checked.findings if each.severity is Severity.ERROR]
    artefact = next(each for each in compile_checked(checked) if each.path == "deepspeed/ds_config.json")
    origins = {path for origin in artefact.origins.values() for path in origin.split(", ")}
    return checked.plans[0], list(checked.findings), origins


def the_note(**blocks: str) -> str:
    """The message of the one note on what is not in the file; empty if there is none."""
    notes = [each for each in checked_job(**blocks)[1] if each.code == "FT556"]
    assert len(notes) <= 1
    assert all(note.severity is Severity.NOTE for note in notes)
    return notes[0].message if notes else ""


DEEP = 'from = "meta-llama/Llama-3.2-1B"  num_hidden_layers = 16'
BATCH = "micro_batch_size = 1  global_batch_size = 64"
METHODS = (
    "full",
    "lora { rank = 8  alpha = 16  dropout = 0.1  targets = attention  adapter_dtype = bf16 }",
    "qlora { rank = 8  quantization = fp4  double_quantization = false }",
    "partial { last_layers = 2  embeddings = true  head = true }",
)
OPTIMIZERS = (
    "adamw { learning_rate = 1e-5  weight_decay = 0.1  beta1 = 0.8  beta2 = 0.95  epsilon = 1e-7  fused = false }",
    "adam { learning_rate = 1e-5 }",
    "sgd { learning_rate = 0.1  momentum = 0.8  fused = true }",
    "lion { learning_rate = 1e-5  beta1 = 0.8  fused = true }",
    "muon { learning_rate = 0.02  momentum = 0.9  beta1 = 0.8 }",
    "adamw_8bit { learning_rate = 1e-5  weight_decay = 0.1  beta2 = 0.9 }",
    "adafactor { learning_rate = 1e-3  epsilon = 1e-6 }",
)
SCHEDULES = (
    "constant",
    "constant { warmup_steps = 50  minimum_learning_rate = 1e-6  total_steps = 100 }",
    "linear { warmup_steps = 10  minimum_learning_rate = 1e-6 }  steps = 100",
    "cosine { warmup_steps = 10  total_steps = 100 }  tokens = 26214400",
    "constant { warmup_steps = 10 }  epochs = 2  dataset { tokens = 500M }",
)
PRECISIONS = (
    "compute = bf16  parameters = bf16  master_parameters = fp32  gradients = fp32  optimizer_states = fp32",
    "compute = bf16  parameters = fp32  master_parameters = none",
    "compute = bf16  master_parameters = none  optimizer_states = bf16",
    "compute = fp16  parameters = fp16  optimizer_states = fp32",
    "compute = fp32",
)
LAYOUTS = (
    "tensor = 2  data = 4  zero_stage = 1",
    "tensor = 2  pipeline = 2  data = auto  zero_stage = 1  schedule = 1f1b",
    "pipeline = 4  virtual_pipeline = 1  zero_stage = 0",
    "context = 2  zero_stage = 2  offload { optimizer = cpu  parameters = none }",
    "zero_stage = 3  data = 8  offload { optimizer = cpu  parameters = cpu }",
    "zero_stage = 1  distributed_optimizer = false",
)
MEGATRON_LAYOUTS = (
    "tensor = 4  context = 2  sequence_parallel = true  zero_stage = 1",
    "tensor = 2  pipeline = 2  data = 2  zero_stage = 1",
)
REST = (
    "activation_checkpointing = selective  loss = fused  attention = eager  seed = 7  sequence_length = 2Ki",
    "activation_checkpointing = full { every = 2 }  loss = fused  attention = flash  gradient_clipping = 0.5",
    "activation_checkpointing = none",
)
EXPERTS = (
    "tensor = 2  pipeline = 2  expert = 2  expert_tensor = 1  zero_stage = 1",
    "expert = 4  zero_stage = 1",
    "tensor = 2  expert = 2  expert_tensor = 1  zero_stage = 1",
)
MEGATRON = f"{BATCH}  stack = megatron_deepspeed"

JOBS = [
    *({"training": f"{BATCH}  method = {each}", "parallelism": "zero_stage = 2"} for each in METHODS),
    *({"training": f"{BATCH}  optimizer = {each}", "parallelism": "zero_stage = 0"} for each in OPTIMIZERS),
    *(
        {"training": f"{BATCH}  learning_rate_scheduler = {each}", "parallelism": "zero_stage = 1"}
        for each in SCHEDULES
    ),
    *({"training": BATCH, "precision": each, "parallelism": "zero_stage = 1"} for each in PRECISIONS),
    *({"training": BATCH, "parallelism": each} for each in LAYOUTS),
    *({"training": MEGATRON, "parallelism": each} for each in MEGATRON_LAYOUTS),
    *({"training": f"{BATCH}  {each}", "parallelism": "zero_stage = 2"} for each in REST),
    *({"training": f"{BATCH}  {each}", "parallelism": "pipeline = 2  zero_stage = 1"} for each in REST),
    *({"training": f"{MEGATRON}  {each}", "parallelism": "tensor = 2  zero_stage = 1"} for each in REST),
    *({"training": BATCH, "model": SMALL_MIXTRAL, "parallelism": each} for each in EXPERTS),
    {"training": BATCH, "parallelism": "zero_stage = 1", "storage": "checkpoint { every = 30min }"},
]


@pytest.mark.parametrize("blocks", JOBS, ids=lambda blocks: " / ".join(blocks.values()))
def test_each_written_field_is_in_the_file_or_named_in_a_finding(blocks: dict[str, str]) -> None:
    plan, findings, origins = checked_job(**blocks)
    said = " ".join(each.message for each in findings if each.code in ("FT556", "FT557"))
    length = {"training.tokens", "training.steps"} if "training.scheduler.total_steps" in origins else set()
    for path in plan_paths():
        if plan.origins[path].kind != "given" or path.startswith(ONE_OF) or path in length:
            continue
        value = value_at(plan, path)
        silent = (isinstance(value, str) or path.startswith("parallelism.")) and value in SILENCE
        name = spec_path(path).partition(".")[2]
        assert path in origins or silent or re.search(rf"\b{name}( = |,| \()", said), path


def test_megatrons_arguments_are_named_where_only_deepspeed_is_a_target() -> None:
    note = the_note(training=f"{MEGATRON}  seed = 7", parallelism="tensor = 4  context = 2  sequence_parallel = true")
    assert "tensor = 4, context = 2, seed = 7, sequence_parallel = true (Megatron-DeepSpeed's launch arguments)" in note


def test_experts_beside_a_pipeline_are_named() -> None:
    blocks = {
        "model": 'from = "mistralai/Mixtral-8x7B-v0.1"  num_hidden_layers = 4',
        "hardware": 'gpu = "H100-SXM5-80GB"  nodes = 4  gpus_per_node = 8',
        "training": "global_batch_size = 128",
        "parallelism": "tensor = 2  pipeline = 4  expert = 4  expert_tensor = 1  zero_stage = 1",
    }
    assert "expert = 4" in the_note(**blocks)
    (layers,) = [each for each in checked_job(**blocks)[1] if each.code == "FT555"]
    assert "tensor = 2 and expert = 4 are not in its file" in layers.message


def test_the_scripts_part_is_named_with_its_reason() -> None:
    note = the_note(
        training="method = lora { rank = 8 }  activation_checkpointing = selective  loss = fused  attention = sdpa"
        "  seed = 7",
        parallelism="zero_stage = 2",
    )
    assert "method = lora, method.rank = 8 (the training script wraps or freezes the model)" in note
    assert "activation_checkpointing = selective (the training script's model" in note
    assert "attention = sdpa, loss = fused (the training script builds the model)" in note
    assert "seed = 7 (the training script seeds torch)" in note


@pytest.mark.parametrize(
    "blocks",
    [
        {"parallelism": "zero_stage = 2", "training": BATCH},
        {"parallelism": "tensor = 1  pipeline = 1  context = 1  zero_stage = 1", "training": f"{BATCH}  method = full"},
        {"training": f"{BATCH}  stack = deepspeed  learning_rate_scheduler = cosine  steps = 100"},
        {"storage": "read_bandwidth = 10GB/s", "parallelism": "zero_stage = 1  offload { optimizer = none }"},
        {"training": BATCH, "parallelism": "zero_stage = 2  data = auto"},
    ],
)
def test_nothing_is_said_of_a_description_or_of_what_the_file_says_by_silence(blocks: dict[str, str]) -> None:
    assert the_note(**blocks) == ""


def test_a_constant_rates_minimum_and_end_are_named() -> None:
    note = the_note(training=f"{BATCH}  learning_rate_scheduler = {SCHEDULES[1]}", parallelism="zero_stage = 1")
    assert "learning_rate_scheduler.total_steps = 100 (a constant rate has no end)" in note
    assert "learning_rate_scheduler.minimum_learning_rate = 1e-06 (a constant rate has no minimum)" in note


def test_autotps_batch_is_told_as_deepspeed_shows_it() -> None:
    findings = checked_job(
        training="micro_batch_size = 2  global_batch_size = 32", parallelism="tensor = 2  zero_stage = 1"
    )[1]
    (batch,) = [each for each in findings if each.code == "FT557"]
    assert "global_batch_size = 32" in batch.message
    assert "train_batch_size = 64 (2 × 4 × 8)" in batch.message
