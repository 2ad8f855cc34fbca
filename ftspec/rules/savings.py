"""Single changes that save memory, from what costs least to what changes most."""

from collections.abc import Iterator
from typing import Any

from ftspec.plan.model import MethodPlan, Plan, Stack
from ftspec.rules.changes import Changes, is_written
from ftspec.rules.stacks import has_feature

_LAYOUT = "parallelism."
_LORA = MethodPlan(kind="lora", rank=16, alpha=32.0, targets=("all_linear",))


def savings(plan: Plan, stacks: tuple[Stack, ...]) -> Iterator[list[Changes]]:
    """Kinds of savings; of each the changes that do it, those that save least first. They may be illegal."""
    yield from _computed(plan)
    yield _sharded(plan, stacks)
    if plan.model.shape.moe is not None:
        yield [{f"{_LAYOUT}expert": degree} for degree in _inside_a_node(plan, plan.parallelism.expert)]
    for axis in ("tensor", "context", "pipeline"):
        yield [_spread(plan, stacks, axis, degree) for degree in _inside_a_node(plan, getattr(plan.parallelism, axis))]
    yield _offloaded(plan)
    yield [_more_nodes(plan, "data", factor) for factor in (2, 4)]
    longest = plan.model.shape.num_hidden_layers // plan.parallelism.pipeline
    yield [_more_nodes(plan, "pipeline", factor) for factor in (2, 4, 8) if factor <= longest]
    yield _trained_less(plan, stacks)
    yield _shorter(plan)


def _computed(plan: Plan) -> Iterator[list[Changes]]:
    """The same step, computed with less memory."""
    training, layout = plan.training, plan.parallelism
    if training.loss != "fused":
        yield [{"training.loss": "fused"}]
    if training.attention == "eager" and plan.precision.compute != "fp32":
        flash = plan.hardware.accelerator.supports_flash_attention
        yield [{"training.attention": "flash" if flash else "sdpa"}]
    if training.activation_checkpointing != "full" or training.checkpoint_every_layers > 1:
        yield [{"training.activation_checkpointing": "full"}]
    if training.micro_batch_size > 1:
        yield [_smaller_micro_batch(plan)]
    if layout.tensor > 1 and not layout.sequence_parallel:
        yield [{f"{_LAYOUT}sequence_parallel": True}]


def _smaller_micro_batch(plan: Plan) -> Changes:
    changes: dict[str, Any] = {"training.micro_batch_size": 1}
    if not is_written(plan, "training.global_batch_size"):
        changes["training.global_batch_size"] = plan.training.global_batch_size
    return changes


def _sharded(plan: Plan, stacks: tuple[Stack, ...]) -> list[Changes]:
    """The highest ZeRO stage that the stacks have beside the pipeline; of ddp another stack."""
    if stacks == ("ddp",):
        return [
            {"training.stack": "deepspeed", f"{_LAYOUT}zero_stage": 3},
            {"training.stack": "fsdp2", f"{_LAYOUT}zero_stage": 3},
        ]
    stages = (1,) if plan.parallelism.pipeline > 1 else (3, 1)
    had = [
        stage
        for stage in stages
        if stage > plan.parallelism.zero_stage and all(has_feature(stack, f"ZeRO stage {stage}") for stack in stacks)
    ]
    return [{f"{_LAYOUT}zero_stage": stage} for stage in had[:1]]


def _inside_a_node(plan: Plan, degree: int) -> list[int]:
    """The multiples of a degree by a power of two that a node has GPUs for."""
    doubled = [degree * 2**power for power in range(1, 5)]
    return [each for each in doubled if each <= plan.hardware.gpus_per_node]


def _spread(plan: Plan, stacks: tuple[Stack, ...], axis: str, degree: int) -> Changes:
    """A larger degree, with what has to be written beside it."""
    layout = plan.parallelism
    changes: dict[str, Any] = {f"{_LAYOUT}{axis}": degree}
    if is_written(plan, f"{_LAYOUT}expert_tensor") and axis == "tensor" and layout.expert_tensor == layout.tensor > 1:
        changes[f"{_LAYOUT}expert_tensor"] = degree
    if axis == "tensor" and not layout.sequence_parallel and all("megatron" in stack for stack in stacks):
        changes[f"{_LAYOUT}sequence_parallel"] = True
    ranks = layout.data * layout.context if axis == "context" else layout.data * getattr(layout, axis) // degree
    highest = 0 if ranks <= 1 else 1 if axis == "pipeline" else 3
    if layout.zero_stage > highest:
        changes[f"{_LAYOUT}zero_stage"] = highest
    return changes


def _offloaded(plan: Plan) -> list[Changes]:
    layout, path = plan.parallelism, f"{_LAYOUT}offload."
    optimizer = {f"{path}optimizer": "cpu"} if layout.offload_optimizer == "none" else {}
    parameters = {f"{path}parameters": "cpu"} if layout.offload_parameters == "none" else {}
    return [changes for changes in (optimizer, optimizer | parameters) if changes]


def _more_nodes(plan: Plan, axis: str, factor: int) -> Changes:
    """A multiple of the nodes, for more replicas or for a longer pipeline."""
    layout = plan.parallelism
    changes: dict[str, Any] = {"hardware.nodes": plan.hardware.nodes * factor}
    if axis == "pipeline":
        changes[f"{_LAYOUT}pipeline"] = layout.pipeline * factor
        changes |= {f"{_LAYOUT}zero_stage": 1} if layout.zero_stage > 1 else {}
    return changes


def _trained_less(plan: Plan, stacks: tuple[Stack, ...]) -> list[Changes]:
    """Adapters, which need no states for the frozen weights. Megatron-LM has none."""
    method = plan.training.method
    if "megatron" in stacks or method.kind == "qlora":
        return []
    rank = method.rank or _LORA.rank
    lora = MethodPlan(kind="lora", rank=rank, alpha=2.0 * rank, targets=_LORA.targets)
    qlora = MethodPlan(
        kind="qlora", rank=rank, alpha=2.0 * rank, targets=_LORA.targets, quantization="nf4", double_quantization=True
    )
    return [{"training.method": each} for each in (lora, qlora) if each.kind != method.kind]


def _shorter(plan: Plan) -> list[Changes]:
    length = plan.training.sequence_length
    return [{"training.sequence_length": length // part} for part in (2, 4) if length % part == 0 and length > 1024]
