"""Layers over stages, the schedule, and the bubble."""

import pytest

from ftspec.rules.example import DEEP_LLAMA
from ftspec.rules.pipeline import stage_parameters
from ftspec.rules.schedule import bubble_fraction
from tests.rules.checking import errors, findings, plan_of

NODES = 'gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8  network = "InfiniBand-NDR"'


def test_layers_that_do_not_divide_are_refused_on_megatron_with_what_would() -> None:
    hardware = 'gpu = "H100-SXM5-80GB"  gpus_per_node = 20'
    finding = findings(
        model=DEEP_LLAMA,
        hardware=hardware,
        training="stack = megatron  global_batch_size = 40",
        parallelism="pipeline = 5",
    )["FT221"]
    assert "stages of 7 and 6" in finding.message
    assert finding.help == "write pipeline = 1, 2 or 4"


def test_uneven_stages_are_a_warning_on_deepspeed() -> None:
    hardware = 'gpu = "H100-SXM5-80GB"  gpus_per_node = 5'
    found = findings(
        model=DEEP_LLAMA,
        hardware=hardware,
        training="stack = deepspeed  global_batch_size = 40",
        parallelism="pipeline = 5",
    )
    assert "FT221" not in found
    assert "9% of the GPUs' time" in found["FT222"].message  # 32 layers in 5 × 7 places


def test_embedding_and_head_may_stand_for_a_layer_each() -> None:
    """126 layers over 16 stages, as Llama 3 405B was trained."""
    model = 'from = "meta-llama/Llama-3.2-1B"  num_hidden_layers = 126  vocab_size = 32000'
    blocks = {"model": model, "hardware": NODES, "training": "stack = megatron  global_batch_size = 256"}
    assert not errors(**blocks, parallelism="pipeline = 16  zero_stage = 1") & {"FT221", "FT223"}
    assert [stage.num_layers for stage in plan_of(**blocks, parallelism="pipeline = 16").stages] == [7, *[8] * 14, 7]
    twelve = {**blocks, "hardware": 'gpu = "H100-SXM5-80GB"  gpus_per_node = 12'}
    assert "FT221" in errors(**twelve, parallelism="pipeline = 12")


@pytest.mark.parametrize(("virtual", "refused"), [(1, False), (2, False), (4, False), (3, True), (5, True)])
def test_virtual_stages_divide_what_a_stage_holds(virtual: int, refused: bool) -> None:
    found = errors(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 32",
        parallelism=f"pipeline = 4  virtual_pipeline = {virtual}",
    )
    assert ("FT223" in found) is refused


def test_more_pieces_than_layers_is_one_finding() -> None:
    found = errors(
        training="stack = megatron  global_batch_size = 16", parallelism="pipeline = 8  virtual_pipeline = 4"
    )
    assert found & {"FT220", "FT221", "FT223"} == {"FT220"}


@pytest.mark.parametrize(
    ("pipeline", "virtual", "samples", "expected"),
    [(4, 1, 8, 3 / 11), (4, 2, 8, 3 / 19), (8, 1, 64, 7 / 71), (1, 1, 8, 0.0)],
)
def test_bubble(pipeline: int, virtual: int, samples: int, expected: float) -> None:
    plan = plan_of(
        model=DEEP_LLAMA,
        training=(
            f"stack = megatron  global_batch_size = {samples}  micro_batch_size = 1  gradient_accumulation_steps ="
            f" {samples}"
        ),
        parallelism=f"pipeline = {pipeline}  virtual_pipeline = {virtual}",
    )
    assert bubble_fraction(plan) == pytest.approx(expected)


def test_bubble_is_shown_with_its_numbers_and_a_batch_that_would_do() -> None:
    blocks = {"model": DEEP_LLAMA, "parallelism": "pipeline = 4"}
    finding = findings(**blocks, training="stack = megatron  global_batch_size = 4")["FT235"]
    assert "2 micro-batches" in finding.message
    assert "fewer than its 4 stages" in finding.message
    assert "3/(2+3)" in finding.message
    assert finding.help is not None
    assert "global_batch_size = 56" in finding.help
    assert "FT235" not in findings(**blocks, training="stack = megatron  global_batch_size = 56")


def test_interleaved_micro_batches_are_a_multiple_of_the_pipeline() -> None:
    blocks = {"model": DEEP_LLAMA, "parallelism": "pipeline = 4  virtual_pipeline = 2"}
    finding = findings(**blocks, training="stack = megatron  global_batch_size = 12")["FT234"]
    assert finding.help == "write global_batch_size = 8 or 16 (4 or 8 micro-batches)"
    assert "FT234" not in findings(**blocks, training="stack = megatron  global_batch_size = 16")


@pytest.mark.parametrize(
    ("parallelism", "code"),
    [
        ("pipeline = 1  virtual_pipeline = 2", "FT230"),
        ("pipeline = 4  schedule = interleaved", "FT231"),
        ("pipeline = 4  virtual_pipeline = 2  schedule = 1f1b", "FT231"),
        ("pipeline = 1  schedule = 1f1b", "FT232"),
        ("pipeline = 4  schedule = gpipe", "FT233"),
    ],
)
def test_schedules_that_contradict_the_layout(parallelism: str, code: str) -> None:
    found = findings(model=DEEP_LLAMA, training="stack = megatron  global_batch_size = 32", parallelism=parallelism)
    assert {"FT230", "FT231", "FT232", "FT233"} & set(found) == {code}


def test_stages_hold_all_parameters_between_them() -> None:
    plan = plan_of(model='from = "meta-llama/Llama-3.1-8B"', training="stack = megatron", parallelism="pipeline = 4")
    final_norm = plan.model.shape.hidden_size
    assert sum(stage_parameters(plan, stage) for stage in plan.stages) == plan.model.parameters - final_norm


def test_offered_pipelines_divide_the_gpus_too() -> None:
    """80 layers divide by 10, but 128 GPUs with tensor = 8 do not."""
    found = findings(
        model='from = "meta-llama/Llama-3.1-70B"',
        hardware='gpu = "H100-SXM5-80GB"  nodes = 16  gpus_per_node = 8  network = "InfiniBand-NDR"',
        training="stack = megatron  global_batch_size = 256",
        parallelism="tensor = 8  pipeline = 16  sequence_parallel = true",
    )
    assert found["FT224"].help == "write pipeline = 4 or 8, so that the ends weigh less beside the layers"
