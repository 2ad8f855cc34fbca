"""Many layouts at once are what each of them is alone."""

from dataclasses import replace
from typing import Any

import numpy
import pytest

from ftspec.memory.batch import estimate_batch
from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import Plan, Stack
from ftspec.plan.stages import lay_out_stages
from ftspec.spec.methods import Full, Lora, Partial
from ftspec.spec.model import Checkpointing, Model, Training
from tests.memory.plans import plan_of

ROWS = 400
CHOICES: dict[str, list[Any]] = {
    "parallelism.tensor": [1, 2, 8],
    "parallelism.pipeline": [1, 2, 3, 4, 7, 16],
    "parallelism.virtual_pipeline": [1, 1, 2],
    "parallelism.context": [1, 2],
    "parallelism.data": [1, 2, 64, 100],
    "parallelism.zero_stage": [0, 1, 2, 3],
    "parallelism.sequence_parallel": [False, True],
    "parallelism.offload_optimizer": ["none", "none", "cpu"],
    "training.micro_batch_size": [1, 2, 5],
    "training.sequence_length": [1000, 4096],
    "training.gradient_accumulation_steps": [1, 2, 8, 64],
    "training.activation_checkpointing": ["none", "selective", "full"],
    "training.attention": ["flash", "flash", "sdpa", "eager"],
}


def with_value(part: Any, path: str, value: Any) -> Any:
    """A part of a plan with another value at a path."""
    name, _, rest = path.partition(".")
    return replace(part, **{name: with_value(getattr(part, name), rest, value) if rest else value})


def row_of(plan: Plan, values: dict[str, Any]) -> Plan:
    """The plan with a row's values."""
    for path, value in values.items():
        plan = with_value(plan, path, value)
    layout = plan.parallelism
    layers = plan.model.shape.num_hidden_layers
    return replace(plan, stages=lay_out_stages(layers, layout.pipeline, layout.virtual_pipeline))


@pytest.mark.parametrize(
    ("stack", "model", "method"),
    [
        ("megatron", "meta-llama/Llama-3.1-70B", Full()),
        ("megatron", "deepseek-ai/DeepSeek-V3", Full()),
        ("megatron_deepspeed", "openai-community/gpt2-xl", Full()),
        ("deepspeed", "meta-llama/Llama-3.1-8B", Full()),
        ("deepspeed", "meta-llama/Llama-3.2-1B", Lora(rank=8)),
        ("fsdp2", "mistralai/Mixtral-8x7B-v0.1", Full()),
        ("fsdp2", "Qwen/Qwen3-8B", Partial(last_layers=5, embeddings=True, head=True)),
        ("ddp", "google/gemma-2-9b", Full()),
        ("deepspeed", "tiiuae/falcon-7b", Full()),
        ("fsdp2", "EleutherAI/pythia-1.4b", Full()),
        ("ddp", "Qwen/Qwen3-30B-A3B", Lora(rank=8)),
    ],
)
def test_a_batch_is_its_layouts_one_by_one(stack: Stack, model: str, method: Full | Lora | Partial) -> None:
    training = Training(method=method, activation_checkpointing=Checkpointing("full", 3))
    plan = plan_of(stack, model=Model(from_=model), training=training)
    random = numpy.random.default_rng(len(model))
    columns = {path: random.choice(numpy.array(values), ROWS) for path, values in CHOICES.items()}
    batch = estimate_batch(plan, columns)
    for index in random.choice(ROWS, 60, replace=False):
        alone = estimate_memory(row_of(plan, {path: values[index].item() for path, values in columns.items()}))
        assert batch.peak_bytes[index] == alone.peak_bytes
        assert batch.allocated_peak_bytes[index] == max(stage.allocated_peak_bytes for stage in alone.stages)


@pytest.mark.parametrize("stack", ["megatron", "deepspeed", "fsdp2", "ddp"])
def test_optimizers_methods_and_offload_in_a_batch(stack: Stack) -> None:
    """What divides layouts into groups: parts of parts, and states that are counted tensor by tensor."""
    plan = plan_of(stack, model=Model(from_="mistralai/Mixtral-8x7B-v0.1"))
    random = numpy.random.default_rng(3)
    choices: dict[str, list[Any]] = {
        "training.optimizer.kind": ["adamw", "sgd", "lion", "muon", "adafactor", "adamw_8bit"],
        "training.optimizer.fused": [False, True],
        "parallelism.pipeline": [1, 2, 4],
        "parallelism.data": [1, 8],
        "parallelism.zero_stage": [0, 1, 3],
        "parallelism.expert": [1, 2],
        "parallelism.offload_optimizer": ["none", "nvme"],
        "parallelism.offload_parameters": ["none", "cpu"],
    }
    columns = {path: random.choice(numpy.array(values), ROWS) for path, values in choices.items()}
    batch = estimate_batch(plan, columns)
    for index in random.choice(ROWS, 60, replace=False):
        alone = estimate_memory(row_of(plan, {path: values[index].item() for path, values in columns.items()}))
        assert batch.peak_bytes[index] == alone.peak_bytes


def test_narrow_integers_and_columns_of_other_lengths() -> None:
    lengths = numpy.array([4096, 65536], numpy.int32)
    batch = estimate_batch(plan_of(), {"training.sequence_length": lengths})
    assert batch.peak_bytes[1] > batch.peak_bytes[0] > 0
    with pytest.raises(ValueError, match="one value for each layout"):
        estimate_batch(plan_of(), {"training.sequence_length": lengths, "parallelism.data": lengths[:1]})
    assert len(estimate_batch(plan_of(), {"parallelism.data": lengths[:0]}).peak_bytes) == 0


def test_several_sequences_are_apart_where_products_copy() -> None:
    """Operands cut out of one product are copied, and the product itself is not kept."""
    plan = plan_of(model=Model(from_="EleutherAI/pythia-1.4b"), training=Training(attention="eager"))
    batch = estimate_batch(plan, {"training.micro_batch_size": numpy.array([1, 2, 1, 4])})
    for index, size in enumerate((1, 2, 1, 4)):
        alone = estimate_memory(row_of(plan, {"training.micro_batch_size": size}))
        assert batch.peak_bytes[index] == alone.peak_bytes


def test_a_path_that_no_plan_has() -> None:
    with pytest.raises(KeyError, match=r"parallelism\.tensors"):
        estimate_batch(plan_of(), {"parallelism.tensors": numpy.array([1, 2])})
