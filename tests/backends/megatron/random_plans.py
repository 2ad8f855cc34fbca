"""Legal plans for Megatron, drawn from a seed: models, layouts, precision, batches, schedules."""

from random import Random

from ftspec.catalog.models import ModelRow, find_model
from ftspec.catalog.shape import ModelShape
from ftspec.plan.model import Plan
from ftspec.spec.methods import Full
from ftspec.spec.model import Checkpointing, Hardware, Model, Offload, Parallelism, Precision, Scheduler, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.megatron.plans import make_plan

MODELS = (
    "meta-llama/Llama-3.2-1B",
    "meta-llama/Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B",
    "meta-llama/Llama-3.1-405B",
    "Qwen/Qwen2.5-7B",
    "Qwen/Qwen3-8B",
    "openai-community/gpt2-xl",
    "bigcode/starcoder2-7b",
    "mistralai/Mistral-7B-v0.1",
    "mistralai/Mixtral-8x7B-v0.1",
    "Qwen/Qwen3-30B-A3B",
    "mistralai/Mixtral-8x22B-v0.1",
    "deepseek-ai/DeepSeek-V3",
)


def random_plan(seed: int) -> Plan:
    """The plan of a seed: always one that Megatron accepts."""
    random = Random(seed)
    name = random.choice(MODELS)
    row = find_model(name)
    assert isinstance(row, ModelRow)
    layout = random_layout(random, row.shape)
    precision = random_precision(random, row.shape)
    sharded = layout.zero_stage == 1
    optimizer = random.choice(["adamw", "adamw", "adamw", "sgd"])
    if sharded and optimizer == "adamw" and random.random() < 0.3:
        layout = _offloaded(layout)
    return make_plan(
        model=Model(from_=name),
        hardware=Hardware(
            gpu="H100-SXM5-80GB", nodes=_world_size(layout) // _node(layout), gpus_per_node=_node(layout)
        ),
        precision=precision,
        training=random_training(random, row.shape, layout, optimizer),
        parallelism=layout,
        name=f"seed-{seed}",
    )


def random_layout(random: Random, shape: ModelShape) -> Parallelism:
    """Degrees that divide what they must."""
    heads = shape.num_attention_heads if shape.mla is not None else shape.num_key_value_heads
    tensor = random.choice([degree for degree in (1, 2, 4, 8) if heads % degree == 0])
    pipeline = random.choice([degree for degree in (1, 2, 3, 4, 7, 8, 16) if _cuts(shape.num_hidden_layers, degree)])
    virtual = random.choice([chunks for chunks in (1, 2, 3, 4) if _cuts(shape.num_hidden_layers, pipeline * chunks)])
    virtual = 1 if pipeline == 1 else virtual
    context, data = random.choice((1, 1, 2, 4)), random.choice((1, 2, 4, 8))
    expert = expert_tensor = None
    if shape.moe is not None:
        expert_tensor = 1 if shape.moe.expert_bias else random.choice([1, tensor])
        ranks = tensor * context * data // expert_tensor
        experts = shape.moe.num_experts
        expert = random.choice([degree for degree in (1, 2, 4, 8) if ranks % degree == 0 and experts % degree == 0])
    return Parallelism(
        tensor=tensor,
        pipeline=pipeline,
        virtual_pipeline=virtual,
        context=context,
        data=data,
        expert=expert,
        expert_tensor=expert_tensor,
        zero_stage=random.choice((0, 1)),
        sequence_parallel=tensor > 1 and (shape.moe is not None or random.random() < 0.7),
    )


def random_precision(random: Random, shape: ModelShape) -> Precision:
    """A compute type and how gradients are accumulated."""
    compute = random.choice(("bf16", "bf16", "bf16", "fp16", "fp8", "fp32"))
    gradients = random.choice(
        (None, "fp32", "bf16" if compute in ("bf16", "fp8") else compute if compute != "fp32" else None)
    )
    return Precision(compute=compute, gradients=gradients)


def random_training(random: Random, shape: ModelShape, layout: Parallelism, optimizer: str) -> Training:
    """Batch, recomputation, kernels, optimizer and schedule."""
    assert isinstance(layout.data, int)
    assert isinstance(layout.pipeline, int)
    micro, groups = random.choice((1, 2, 4)), random.choice((1, 2, 3))
    lengths = [length for length in (512, 1024, 4096, 8192) if length <= shape.max_position_embeddings]
    checkpointing = random.choice(
        (Checkpointing("none"), Checkpointing("selective"), Checkpointing("full", random.choice((1, 2))))
    )
    return Training(
        method=Full(),
        sequence_length=random.choice(lengths),
        micro_batch_size=micro,
        global_batch_size=micro * layout.data * layout.pipeline * groups,
        activation_checkpointing=checkpointing,
        attention="flash" if layout.context != 1 else random.choice(("flash", "sdpa", "eager")),
        loss=random.choice(("standard", "fused")),
        optimizer=OptimizerChoice(
            optimizer,  # type: ignore[arg-type]  # one of the names
            learning_rate=random.choice((1e-5, 3e-4)),
            weight_decay=random.choice((0.0, 0.1)),
            beta2=None if optimizer == "sgd" else 0.95,
            momentum=0.9 if optimizer == "sgd" else None,
        ),
        learning_rate_scheduler=Scheduler(
            random.choice(("constant", "linear", "cosine")),
            random.choice((0, 100)),
            minimum_learning_rate=random.choice((0.0, 1e-6)),
        ),
        gradient_clipping=random.choice((0.0, 0.5, 1.0)),
        steps=random.choice((500, 10_000)),
        seed=random.choice((1, 1234)),
    )


def _cuts(layers: int, pieces: int) -> bool:
    return pieces == 1 or (pieces <= layers and (layers % pieces == 0 or (layers + 2) % pieces == 0))


def _offloaded(layout: Parallelism) -> Parallelism:
    from dataclasses import replace

    return replace(layout, offload=Offload(optimizer="cpu"))


def _world_size(layout: Parallelism) -> int:
    degrees = (layout.tensor, layout.pipeline, layout.context, layout.data)
    size = 1
    for degree in degrees:
        assert isinstance(degree, int)
        size *= degree
    return size


def _node(layout: Parallelism) -> int:
    return next(size for size in (8, 4, 2, 1) if _world_size(layout) % size == 0)
