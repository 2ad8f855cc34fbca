"""Parameters, gradients, master copies and optimizer states of one rank: what lives through the whole step."""

from functools import cache
from typing import NamedTuple

from ftspec.core.record import record
from ftspec.memory.optimizers import state_bytes
from ftspec.memory.quantization import packed_bytes, packed_elements
from ftspec.memory.shard import MEGATRON_STACKS, Shard
from ftspec.memory.trained import frozen_elements, trained_shard
from ftspec.plan.model import DTYPE_BYTES, Plan
from ftspec.plan.stages import Stage

DEEPSPEED_ALIGNMENT = 2
"""`nccl_start_alignment_factor` (deepspeed/runtime/zero/stage_1_and_2.py, `DeepSpeedZeroOptimizer.__init__`)."""


@record
class States:
    """Bytes on one rank. `gradients` is what is held once the whole backward pass is done."""

    parameters: int
    gradients: int
    master_parameters: int
    optimizer_states: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.parameters + self.gradients + self.master_parameters + self.optimizer_states


class Degrees(NamedTuple):
    """How many ranks share a state: of the dense weights, and of the experts."""

    dense: int
    expert: int


def replicas(plan: Plan) -> Degrees:
    """Ranks that hold the same weights: data × context for dense ones; what expert parallelism leaves for experts.

    Source: megatron/core/parallel_state.py (`expert_data_parallel_size`); DeepSpeed shards over its
    sequence-data-parallel group likewise (deepspeed/runtime/engine.py, `seq_data_parallel_group`).
    """
    layout = plan.parallelism
    ranks = max(1, layout.tensor) * max(1, layout.context) * max(1, layout.data)
    experts = max(1, ranks // (max(1, layout.expert) * max(1, layout.expert_tensor)))
    return Degrees(max(1, layout.data) * max(1, layout.context), experts)


@cache
def tensorwise_part(shard: Shard, degrees: Degrees) -> int:
    """Elements of a rank where each tensor is padded and divided by itself.

    Source: deepspeed/runtime/zero/partition_parameters.py, `_aligned_size` and `_partition_param`.
    """
    dense = sum(-(-elements // degrees.dense) for elements in shard.dense)
    return dense + sum(-(-elements // degrees.expert) for elements in shard.expert)


def flat_elements(shard: Shard, degrees: Degrees) -> tuple[int, int]:
    """Elements of the padded flat buffers of a rank, and of its own part of them.

    Source: deepspeed/runtime/zero/stage_1_and_2.py, `flatten_dense_tensors_aligned`: padded to 2 × replicas.
    """
    whole = part = 0
    for tensors, degree in ((shard.dense, degrees.dense), (shard.expert, degrees.expert)):
        if tensors:
            multiple = DEEPSPEED_ALIGNMENT * degree
            padded = -(-sum(tensors) // multiple) * multiple
            whole, part = whole + padded, part + padded // degree
    return whole, part


@record
class Held:
    """Elements of a rank: of the parameters, of the accumulated gradients, and of what the optimizer updates."""

    parameters: int
    gradients: int
    updated: int


def _deepspeed_held(zero_stage: int, shard: Shard, degrees: Degrees) -> Held:
    if zero_stage == 3:
        part = tensorwise_part(shard, degrees)
        return Held(part, part, part)
    if zero_stage == 0:
        return Held(shard.elements, shard.elements, shard.elements)
    whole, part = flat_elements(shard, degrees)
    return Held(whole, part if zero_stage == 2 else shard.elements, part)


def held_elements(plan: Plan, shard: Shard, degrees: Degrees) -> Held:
    """What the stack's sharding leaves on a rank."""
    stack, zero_stage = plan.training.stack, plan.parallelism.zero_stage
    if stack in MEGATRON_STACKS:
        sharded = plan.parallelism.distributed_optimizer or zero_stage >= 1
        updated = flat_elements(shard, degrees)[1] if sharded else shard.elements
        return Held(shard.elements, shard.elements, updated)
    if stack == "deepspeed":
        return _deepspeed_held(zero_stage, shard, degrees)
    if stack == "fsdp2":
        part = tensorwise_part(shard, degrees)
        return Held(part, part, part)
    return Held(shard.elements, shard.elements, shard.elements)


def _frozen_bytes(plan: Plan, stage: Stage, degrees: Degrees) -> int:
    """Weights that are held and never updated: sharded where the stack shards parameters, packed under QLoRA."""
    frozen = frozen_elements(plan, stage)
    if not frozen.elements:
        return 0
    sharded = plan.training.stack == "fsdp2" or (
        plan.training.stack == "deepspeed" and plan.parallelism.zero_stage == 3
    )
    elements = tensorwise_part(frozen, degrees) if sharded else frozen.elements
    width = DTYPE_BYTES[plan.precision.parameters]
    if plan.training.method.kind != "qlora":
        return elements * width
    packed = min(elements, packed_elements(plan, stage) // (max(1, degrees.dense) if sharded else 1))
    return packed_bytes(packed, plan.training.method.double_quantization) + (elements - packed) * width


def stage_states(plan: Plan, stage: Stage) -> States:
    """The states of the stage's fullest rank."""
    shard, precision, method = trained_shard(plan, stage), plan.precision, plan.training.method
    degrees = replicas(plan)
    held, adapted = held_elements(plan, shard, degrees), method.kind in ("lora", "qlora")
    width = DTYPE_BYTES[method.adapter_dtype if adapted else precision.parameters]
    master = precision.master_parameters == "fp32" and width != 4
    return States(
        parameters=held.parameters * width + _frozen_bytes(plan, stage, degrees),
        gradients=held.gradients * (width if adapted else DTYPE_BYTES[precision.gradients]),
        master_parameters=held.updated * 4 if master else 0,
        optimizer_states=state_bytes(plan, held.updated, len(shard.dense) + len(shard.expert)),
    )
