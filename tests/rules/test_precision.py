"""Data types, optimizers, methods, lengths."""

import pytest

from ftspec.pipeline import check_text
from ftspec.rules.example import job
from tests.rules.checking import errors, findings

ADAM = "optimizer = adamw { learning_rate = 1e-5 }"


def test_fp16_where_bf16_is_available() -> None:
    assert "FT330" in findings(precision="compute = fp16")
    assert "FT330" not in findings(hardware='gpu = "V100-SXM2-32GB"', precision="compute = fp16")


@pytest.mark.parametrize(
    ("stack", "precision", "parallelism", "refused"),
    [
        ("megatron", "compute = bf16  master_parameters = none", "tensor = 2", True),
        ("deepspeed", "compute = fp16  master_parameters = none", "zero_stage = 1", True),
        (
            "deepspeed",
            "compute = fp16  master_parameters = none",
            "zero_stage = 1  offload { optimizer = cpu }",
            False,
        ),
        ("deepspeed", "compute = bf16  master_parameters = none  optimizer_states = bf16", "zero_stage = 1", False),
        ("deepspeed", "compute = bf16  master_parameters = fp32", "zero_stage = 1", False),
        ("ddp", "compute = bf16  master_parameters = none", "tensor = 1", False),
    ],
)
def test_a_master_copy_that_the_stack_keeps_anyway(stack: str, precision: str, parallelism: str, refused: bool) -> None:
    found = errors(training=f"stack = {stack}", precision=precision, parallelism=parallelism)
    assert ("FT331" in found) is refused


def test_states_are_16_bytes_a_parameter() -> None:
    precision = "compute = fp16  master_parameters = none  gradients = fp16  optimizer_states = fp32"
    message = findings(training=f"stack = deepspeed  {ADAM}", precision=precision, parallelism="zero_stage = 1")[
        "FT331"
    ].message
    assert "16 bytes a parameter (2 parameter + 2 gradient + 4 master + 8 moments)" in message
    assert "1,235,814,400 × 16 bytes = 19.8 GB, not 14.8 GB" in message


def test_sgd_has_no_moments_to_count() -> None:
    precision = "compute = fp16  master_parameters = none  gradients = fp16"
    message = findings(
        training="stack = deepspeed  optimizer = sgd", precision=precision, parallelism="zero_stage = 1"
    )["FT331"].message
    assert "states are 8 bytes a parameter" in message


@pytest.mark.parametrize(
    ("training", "precision", "warned"),
    [
        ("stack = fsdp2", "compute = bf16", True),
        ("stack = fsdp2", "compute = bf16  parameters = fp32", False),
        ("stack = ddp  method = lora { rank = 8 }", "compute = bf16", False),
        ("stack = deepspeed", "compute = bf16", False),
    ],
)
def test_pure_16_bit_training(training: str, precision: str, warned: bool) -> None:
    assert ("FT332" in findings(training=training, precision=precision)) is warned


@pytest.mark.parametrize(
    ("precision", "code"),
    [
        ("compute = bf16  gradients = fp16", "FT333"),
        ("compute = fp16  parameters = bf16", "FT333"),
        ("compute = bf16  gradients = fp32", None),
        ("compute = fp32  parameters = bf16", "FT334"),
        ("compute = bf16  parameters = fp32  master_parameters = fp32", "FT335"),
        ("compute = bf16  parameters = bf16  master_parameters = fp32", "FT336"),
        ("optimizer_states = int8", "FT337"),
    ],
)
def test_combinations_that_do_not_exist(precision: str, code: str | None) -> None:
    found = errors(training="stack = ddp  attention = sdpa", precision=precision)
    assert found & {f"FT33{digit}" for digit in range(3, 8)} == ({code} if code else set())


@pytest.mark.parametrize(
    ("optimizer", "refused"),
    [
        ("adamw { momentum = 0.9 }", True),
        ("sgd { momentum = 0.9 }", False),
        ("sgd { beta1 = 0.9 }", True),
        ("lion { beta1 = 0.9  beta2 = 0.99 }", False),
        ("lion { epsilon = 1e-8 }", True),
        ("muon { momentum = 0.95  beta1 = 0.9 }", False),
        ("adafactor { beta2 = 0.9 }", True),
    ],
)
def test_settings_that_an_optimizer_has_not(optimizer: str, refused: bool) -> None:
    assert ("FT350" in errors(training=f"stack = ddp  optimizer = {optimizer}")) is refused


@pytest.mark.parametrize(
    ("training", "code"),
    [
        ("optimizer = adamw { learning_rate = 0.5 }", "FT351"),
        ("optimizer = sgd { learning_rate = 0.5 }", None),
        (f"{ADAM}  learning_rate_scheduler = cosine {{ minimum_learning_rate = 1e-4 }}  steps = 10", "FT352"),
        (f"{ADAM}  learning_rate_scheduler = cosine {{ warmup_steps = 10 }}  steps = 10", "FT353"),
        (f"{ADAM}  learning_rate_scheduler = cosine {{ warmup_steps = 9 }}  steps = 10", None),
        (f"{ADAM}  learning_rate_scheduler = cosine {{ total_steps = 5 }}  steps = 10", "FT354"),
    ],
)
def test_learning_rates(training: str, code: str | None) -> None:
    found = findings(training=training)
    assert {"FT351", "FT352", "FT353", "FT354"} & set(found) == ({code} if code else set())


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ('lora { targets = ["q_proj", "v_prj"] }', "FT365"),
        ('lora { targets = ["q_proj", "model.layers.0.mlp.down_proj"] }', "FT366"),
        ("lora { targets = attention }", None),
        ("lora { rank = 1024 }", "FT361"),
        ("lora { rank = 512  alpha = 512 }", None),
        ("qlora { rank = 16  alpha = 10000 }", "FT362"),
        ("partial { last_layers = 17 }", "FT363"),
        ("partial { last_layers = 16 }", None),
        ("partial { last_layers = 0 }", "FT364"),
        ("partial { last_layers = 0  embeddings = true }", None),
    ],
)
def test_methods(method: str, code: str | None) -> None:
    found = findings(training=f"stack = ddp  sequence_length = 512  method = {method}")
    assert {f"FT36{digit}" for digit in range(8)} & set(found) == ({code} if code else set())


def test_misspelt_target_is_suggested() -> None:
    help = findings(training='method = lora { targets = ["v_prj"] }')["FT360"].help
    assert help is not None
    assert help.startswith('did you mean "v_proj"? ')


@pytest.mark.parametrize(
    ("length", "code"),
    [
        ("tokens = 1B  steps = 100", "FT370"),
        ("tokens = 26214400  steps = 100", None),
        ("tokens = 26214401  steps = 101", None),
        ("epochs = 2  steps = 100  dataset { tokens = 1M }", "FT371"),
        ("epochs = 2", "FT372"),
        ("epochs = 2  dataset { tokens = 1M }", None),
    ],
)
def test_length_is_stated_once(length: str, code: str | None) -> None:
    found = errors(training=f"global_batch_size = 64  sequence_length = 4Ki  {length}")
    assert found & {"FT370", "FT371", "FT372"} == ({code} if code else set())


@pytest.mark.parametrize(
    ("checkpointing", "code"),
    [
        ("selective { every = 2 }", "FT373"),
        ("full { every = 17 }", "FT374"),
        ("full { every = 16 }", None),
        ("full", None),
    ],
)
def test_groups_of_recomputation(checkpointing: str, code: str | None) -> None:
    found = findings(training=f"activation_checkpointing = {checkpointing}")
    assert {"FT373", "FT374"} & set(found) == ({code} if code else set())


def test_another_16_bit_type_is_one_finding_on_deepspeed_too() -> None:
    text = job(training="steps = 10", precision="compute = bf16  gradients = fp16") + "target deepspeed {}\n"
    found = [each.code for each in check_text(text, "job.ft").findings if each.severity == "error"]
    assert found == ["FT333"]
