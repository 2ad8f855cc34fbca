"""ZeRO, the distributed optimizer, offload, experts, context and sequence parallelism."""

import pytest

from ftspec.pipeline import check_text
from ftspec.rules.example import DEEP_LLAMA, SMALL_MIXTRAL, job
from ftspec.rules.stacks import STACKS, stack_features
from tests.rules.checking import applied, errors, findings

NODES = 'gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8  network = "InfiniBand-NDR"'
DEEPSPEED = "stack = deepspeed  global_batch_size = 32"


@pytest.mark.parametrize(("stage", "refused"), [(0, False), (1, False), (2, True), (3, True)])
@pytest.mark.parametrize("stack", ["deepspeed", "megatron_deepspeed"])
def test_gradients_cannot_be_sharded_in_a_pipeline(stack: str, stage: int, refused: bool) -> None:
    found = errors(
        model=DEEP_LLAMA,
        training=f"stack = {stack}  global_batch_size = 32",
        parallelism=f"pipeline = 4  zero_stage = {stage}",
    )
    assert ("FT240" in found) is refused


def test_the_fix_of_zero_with_a_pipeline_removes_the_error() -> None:
    blocks = {"model": DEEP_LLAMA, "training": DEEPSPEED, "parallelism": "pipeline = 4  zero_stage = 3"}
    fix = findings(**blocks)["FT240"].fix
    assert fix is not None
    assert applied(job(**blocks), fix.edits) == job(**{**blocks, "parallelism": "pipeline = 4  zero_stage = 1"})


@pytest.mark.parametrize(("layout", "warned"), [("tensor = 8", True), ("tensor = 4", False), ("context = 8", False)])
def test_zero_needs_somebody_to_shard_over(layout: str, warned: bool) -> None:
    found = findings(training="stack = deepspeed", parallelism=f"{layout}  zero_stage = 1")
    assert ("FT241" in found) is warned


def test_zero_with_one_replica_names_what_is_not_sharded() -> None:
    message = findings(training="stack = deepspeed", parallelism="tensor = 8  zero_stage = 3")["FT241"].message
    assert "optimizer states, gradients and parameters" in message
    assert "data is 1" in message


def test_distributed_optimizer_with_one_replica() -> None:
    assert "FT242" in findings(training="stack = megatron", parallelism="tensor = 8  distributed_optimizer = true")
    found = findings(
        training="stack = megatron", parallelism="tensor = 8  distributed_optimizer = true  zero_stage = 1"
    )
    assert {"FT241", "FT242"} & set(found) == {"FT241"}, "one mistake, one finding"


@pytest.mark.parametrize(
    ("stage", "offload", "code"),
    [
        (0, "optimizer = cpu", "FT245"),
        (1, "optimizer = cpu", None),
        (2, "parameters = cpu", "FT246"),
        (3, "parameters = cpu", None),
        (2, "optimizer = nvme", "FT247"),
        (3, "optimizer = nvme", None),
    ],
)
def test_offload_against_stage(stage: int, offload: str, code: str | None) -> None:
    found = errors(training="stack = deepspeed", parallelism=f"zero_stage = {stage}  offload {{ {offload} }}")
    assert found & {"FT245", "FT246", "FT247"} == ({code} if code else set())


@pytest.mark.parametrize(("size", "refused"), [(None, True), (262_668_287, True), (262_668_288, False)])
def test_a_part_on_nvme_fits_its_buffer(size: int | None, refused: bool) -> None:
    """Half of a table of 128,256 × 4,096."""
    raw = f"raw {{ zero_optimization {{ offload_param {{ buffer_size = {size} }} }} }}" if size else ""
    text = job(
        model='from = "meta-llama/Llama-3.1-8B"',
        hardware='gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 2',
        training="stack = deepspeed",
        parallelism="zero_stage = 3  offload { optimizer = nvme  parameters = nvme }",
    )
    checked = check_text(f'{text}target deepspeed {{ nvme_path = "/local_nvme"  {raw} }}\n', "job.ft")
    found = [finding for finding in checked.findings if finding.code == "FT249"]
    assert bool(found) == refused
    assert all("buffer_size = 262668288" in (finding.help or "") for finding in found)


@pytest.mark.parametrize(
    ("training", "parallelism"),
    [
        ("stack = ddp", "tensor = 2"),
        ("stack = fsdp2", "tensor = 2"),
        ("stack = ddp", "zero_stage = 3"),
        ("stack = megatron", "zero_stage = 2"),
        ("stack = megatron", "zero_stage = 3"),
        ("stack = fsdp2", "tensor = 2  sequence_parallel = true"),
        ("stack = deepspeed", "distributed_optimizer = true"),
        ("stack = deepspeed  global_batch_size = 32", "pipeline = 4  virtual_pipeline = 2"),
        ("stack = ddp", "offload { optimizer = cpu }"),
        ("stack = megatron", "offload { optimizer = nvme }"),
    ],
)
def test_a_stack_does_not_do_what_it_has_not(training: str, parallelism: str) -> None:
    assert "FT260" in errors(model=DEEP_LLAMA, training=training, parallelism=parallelism)


@pytest.mark.parametrize(("layout", "refused"), [("tensor = 2", True), ("tensor = 2  pipeline = 2", False)])
def test_autotp_has_no_sequence_parallelism(layout: str, refused: bool) -> None:
    """A pipeline's layers are the training script's, and may have it."""
    found = errors(model=DEEP_LLAMA, training=DEEPSPEED, parallelism=f"{layout}  sequence_parallel = true")
    assert found & {"FT219", "FT260"} == ({"FT219"} if refused else set())


def test_features_name_known_fields_and_say_what_to_write() -> None:
    for feature in stack_features():
        assert feature.stacks
        for stack in set(STACKS) - feature.stacks:
            assert (feature.instead.get(stack) or feature.instead[""]).startswith(("write", "remove"))


@pytest.mark.parametrize(("expert", "code"), [(1, None), (2, None), (8, None), (3, "FT251"), (16, "FT251")])
def test_experts_divide(expert: int, code: str | None) -> None:
    found = errors(model=SMALL_MIXTRAL, hardware=NODES, training="stack = megatron", parallelism=f"expert = {expert}")
    assert found & {"FT250", "FT251"} == ({code} if code else set())


def test_experts_lie_in_the_ranks_of_one_stage() -> None:
    blocks = {"model": SMALL_MIXTRAL, "training": "stack = megatron"}
    wide = findings(**blocks, parallelism="tensor = 4  expert = 4  sequence_parallel = true")["FT252"]
    assert "expert 4 × expert_tensor 4 (tensor's) = 16 does not divide" in wide.message
    assert wide.help == "write expert = 1 or 2, or expert_tensor = 1"
    assert "FT252" not in errors(
        **blocks, parallelism="tensor = 4  expert = 4  expert_tensor = 1  sequence_parallel = true"
    )


def test_experts_need_a_model_that_has_some() -> None:
    assert "FT250" in errors(training="stack = megatron", parallelism="expert = 8")


@pytest.mark.parametrize(
    ("tensor", "parallel", "refused"), [(4, "false", True), (4, "true", False), (1, "false", False)]
)
def test_experts_beside_tensor_parallelism(tensor: int, parallel: str, refused: bool) -> None:
    found = errors(
        model=SMALL_MIXTRAL,
        training="stack = megatron",
        parallelism=f"tensor = {tensor}  sequence_parallel = {parallel}",
    )
    assert ("FT254" in found) is refused


@pytest.mark.parametrize(
    ("stack", "length", "context", "refused"),
    [
        ("megatron", 4096, 4, False),
        ("megatron", 4100, 4, True),
        ("megatron", 4104, 4, False),
        ("deepspeed", 4100, 4, False),
        ("deepspeed", 4101, 4, True),
        ("megatron", 4101, 1, False),
    ],
)
def test_sequence_over_context(stack: str, length: int, context: int, refused: bool) -> None:
    found = errors(training=f"stack = {stack}  sequence_length = {length}", parallelism=f"context = {context}")
    assert ("FT217" in found) is refused


def test_sequence_over_tensor_and_context() -> None:
    blocks = {"parallelism": "tensor = 2  context = 2  sequence_parallel = true"}
    assert not errors(**blocks, training="stack = megatron  sequence_length = 4096") & {"FT216", "FT217"}
    assert errors(**blocks, training="stack = megatron  sequence_length = 4098") & {"FT216", "FT217"} == {"FT217"}


def test_sequence_lengths_on_either_side_are_offered() -> None:
    help = findings(
        training="stack = megatron  sequence_length = 4097", parallelism="tensor = 8  sequence_parallel = true"
    )["FT216"].help
    assert help == "write sequence_length = 4096 or 4104"


def test_sequence_parallel_alone() -> None:
    blocks = {"training": "stack = megatron", "parallelism": "sequence_parallel = true"}
    fix = findings(**blocks)["FT215"].fix
    assert fix is not None
    assert "sequence_parallel = false" in applied(job(**blocks), fix.edits)


@pytest.mark.parametrize(
    ("length", "model", "code"),
    [
        (2048, "openai-community/gpt2", "FT212"),
        (1024, "openai-community/gpt2", None),
    ],
)
def test_learned_positions_end(length: int, model: str, code: str | None) -> None:
    found = errors(model=f'from = "{model}"', training=f"stack = deepspeed  sequence_length = {length}")
    assert found & {"FT212", "FT213"} == ({code} if code else set())


def test_rotary_positions_degrade_beyond_training_and_are_refused_by_megatron() -> None:
    model = 'from = "meta-llama/Llama-3.2-1B"  max_position_embeddings = 2048'
    assert "FT213" in findings(model=model, training="stack = deepspeed  sequence_length = 4Ki")
    assert "FT212" in findings(model=model, training="stack = megatron  sequence_length = 4Ki")
