"""Spec to plan: what is open is filled, every value has an origin, impossible things come back as written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftspec.checked import Checked
from ftspec.pipeline import check_text
from ftspec.plan.coordinates import node_of, rank_coordinates
from ftspec.plan.fields import plan_paths, value_at
from ftspec.plan.model import Plan
from ftspec.plan.stages import lay_out_stages

HEADER = 'ft 1\nmodel { from = "llama-3.1-8b" }\n'


def _checked(text: str) -> Checked:
    return check_text(text, "job.ft")


def _plan(rest: str, header: str = HEADER) -> Plan:
    (job,) = _checked(header + rest).jobs
    return job.plan


def test_every_leaf_has_an_origin_and_nothing_else_has() -> None:
    for stack in ("deepspeed", "megatron", "megatron_deepspeed", "fsdp2", "ddp"):
        for method in ("full", "lora {}", "qlora {}", "partial {}"):
            plan = _plan(f'hardware {{ gpu = "h100" }}\ntraining {{ stack = {stack}  method = {method} }}')
            assert set(plan.origins) == set(plan_paths())
            for path in plan_paths():
                value_at(plan, path)


def test_origins_say_why() -> None:
    plan = _plan('hardware { gpu = "h100" }\ntraining { global_batch_size = 64 }\ntarget deepspeed {}')
    assert str(plan.origins["training.global_batch_size"]) == "given at job.ft:4:32"
    assert str(plan.origins["training.gradient_accumulation_steps"]).startswith("derived: global_batch_size / ")
    assert str(plan.origins["hardware.gpus_per_node"]) == "catalog: H100-SXM5-80GB"
    assert plan.origins["training.seed"].kind == "default"


def test_a_plan_is_frozen() -> None:
    plan = _plan('hardware { gpu = "h100" }')
    with pytest.raises(AttributeError):
        plan.parallelism.tensor = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("written", "solved"),
    [
        ("", (1, 8, 1)),
        ("micro_batch_size = 4", (4, 32, 1)),
        ("global_batch_size = 64", (1, 64, 8)),
        ("global_batch_size = 64  micro_batch_size = 2", (2, 64, 4)),
        ("global_batch_size = 64  gradient_accumulation_steps = 2", (4, 64, 2)),
        ("micro_batch_size = 2  gradient_accumulation_steps = 3", (2, 48, 3)),
        ("gradient_accumulation_steps = 5", (1, 40, 5)),
        ("global_batch_size = auto  micro_batch_size = 2", (2, 16, 1)),
    ],
)
def test_batch_triple(written: str, solved: tuple[int, int, int]) -> None:
    training = _plan(f'hardware {{ gpu = "h100" }}\ntraining {{ stack = ddp  {written} }}').training
    assert (training.micro_batch_size, training.global_batch_size, training.gradient_accumulation_steps) == solved


@pytest.mark.parametrize(
    ("micro", "total", "accumulation"), [(3, 64, None), (2, 64, 3), (None, 63, None), (None, 12, None), (16, 8, None)]
)
def test_a_triple_that_does_not_multiply_out_is_an_error(micro, total, accumulation) -> None:
    fields = {"micro_batch_size": micro, "global_batch_size": total, "gradient_accumulation_steps": accumulation}
    written = "  ".join(f"{name} = {value}" for name, value in fields.items() if value is not None)
    checked = _checked(f'{HEADER}hardware {{ gpu = "h100" }}\ntraining {{ stack = ddp  {written} }}')
    assert checked.exit_code == 1


def test_data_follows_from_the_gpus() -> None:
    parallelism = _plan(
        'hardware { gpu = "h100"  nodes = 4  network = "ndr" }\nparallelism { tensor = 4  pipeline = 2  data = auto }'
    ).parallelism
    assert parallelism.data == 4


def test_nodes_follow_from_a_stated_layout() -> None:
    plan = _plan(
        'hardware { gpu = "h100"  nodes = auto  network = "ndr" }\nparallelism { tensor = 4  pipeline = 2  data = 3 }'
    )
    assert plan.hardware.nodes == 3
    assert plan.origins["hardware.nodes"].kind == "derived"


@pytest.mark.parametrize(
    ("written", "tokens", "steps"),
    [
        ("tokens = 1B", 10**9, -(-(10**9) // (8 * 4096))),
        ("steps = 10", 10 * 8 * 4096, 10),
        ("epochs = 2  dataset { tokens = 1M }", 2 * 10**6, -(-2 * 10**6 // (8 * 4096))),
        ("", None, None),
    ],
)
def test_length(written: str, tokens: int | None, steps: int | None) -> None:
    training = _plan(f'hardware {{ gpu = "h100" }}\ntraining {{ stack = ddp  {written} }}').training
    assert (training.tokens, training.steps) == (tokens, steps)


@pytest.mark.parametrize(
    ("written", "usable"),
    [("80GB", 79.11), ("80GiB", 79.11), ("40GiB", 39.56)],
)
def test_stated_memory(written: str, usable: float) -> None:
    plan = _plan(f'hardware {{ gpu = "H100-SXM5-80GB"  gpu_memory = {written} }}')
    assert plan.hardware.usable_memory_bytes / 2**30 == pytest.approx(usable, abs=0.01)


@pytest.mark.parametrize(
    ("layout", "targets", "stacks"),
    [
        ("", "", ["ddp"]),
        ("zero_stage = 2", "", ["deepspeed"]),
        ("tensor = 2", "", ["megatron"]),
        ("zero_stage = 1", "target deepspeed {}\ntarget megatron {}", ["deepspeed", "megatron"]),
        ("zero_stage = 1", "target hydra {}", ["deepspeed"]),
        ("zero_stage = 1", "target megatron {}\ntarget hydra {}", ["megatron"]),
    ],
)
def test_stacks_follow_the_targets(layout: str, targets: str, stacks: list[str]) -> None:
    checked = _checked(f'{HEADER}hardware {{ gpu = "h100" }}\nparallelism {{ {layout} }}\n{targets}')
    assert [job.plan.training.stack for job in checked.jobs] == stacks


def test_a_config_beside_the_spec(tmp_path: Path) -> None:
    shape = {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "vocab_size": 256,
    }
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"], **shape})
    )
    text = 'ft 1\nmodel { from = "./config.json" }\nhardware { gpu = "h100" }\ntraining { sequence_length = 512 }\n'
    (job,) = check_text(text, str(tmp_path / "job.ft")).jobs
    assert job.plan.model.shape.hidden_size == 64
    assert check_text(text, str(tmp_path / "elsewhere" / "job.ft")).exit_code == 1


@given(layers=st.integers(1, 200), pipeline=st.integers(1, 16), chunks=st.integers(1, 6))
def test_every_layer_lies_on_one_stage(layers: int, pipeline: int, chunks: int) -> None:
    stages = lay_out_stages(layers, pipeline, chunks)
    assert sorted(layer for stage in stages for chunk in stage.chunks for layer in chunk) == list(range(layers))
    assert [stage.embedding for stage in stages] == [True] + [False] * (pipeline - 1)
    assert [stage.head for stage in stages] == [False] * (pipeline - 1) + [True]


@given(degrees=st.tuples(*[st.sampled_from([1, 2, 4])] * 4))
def test_rank_coordinates_are_one_to_one(degrees: tuple[int, int, int, int]) -> None:
    tensor, context, data, pipeline = degrees
    world_size = tensor * context * data * pipeline
    layout = f"tensor = {tensor}  context = {context}  data = {data}  pipeline = {pipeline}"
    parallelism = _plan(
        f'hardware {{ gpu = "h100"  nodes = {world_size}  gpus_per_node = 1 }}\nparallelism {{ {layout} }}'
    ).parallelism
    coordinates = [rank_coordinates(parallelism, rank) for rank in range(world_size)]
    assert len({each[:4] for each in coordinates}) == world_size
    assert coordinates[0][:4] == (0, 0, 0, 0)
    assert coordinates[-1][:4] == (tensor - 1, context - 1, data - 1, pipeline - 1)


def test_ranks_fill_nodes_in_order() -> None:
    assert [node_of(rank, 4) for rank in (0, 3, 4, 11)] == [0, 0, 1, 2]
