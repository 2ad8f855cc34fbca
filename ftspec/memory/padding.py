"""How much of a stage's states is padding: what shards and the vocabulary are rounded up by."""

from typing import NamedTuple

from ftspec.memory.estimate import sections_of
from ftspec.memory.holdings import Degrees, Holding, frozen_holding, replicas, trained_holding
from ftspec.memory.kinds import Kinds, kinds_of
from ftspec.memory.offload import on_device
from ftspec.memory.optimizers.layer_wise import is_layer_wise
from ftspec.memory.outline import Section
from ftspec.memory.shard import MEGATRON_STACKS, Shard, cuts_of, padded_vocabulary
from ftspec.memory.states import Held, held_elements, shards_parameters, stage_states
from ftspec.memory.trained import frozen_ends, trained_ends
from ftspec.memory.trained_width import trained_width
from ftspec.plan.model import DTYPE_BYTES, Plan


class _Divided(NamedTuple):
    """Which states a stack divides over replicas; `updated`: the master copies and the optimizer's states."""

    parameters: bool
    gradients: bool
    updated: bool


def padding_by_stage(plan: Plan) -> tuple[int, ...]:
    """Bytes of padding in the states of each stage's fullest rank."""
    kinds = kinds_of(plan)
    found: dict[int, int] = {}
    for section, numbers in sections_of(plan, kinds):
        found |= dict.fromkeys(numbers, stage_padding(plan, kinds, section))
    return tuple(found[number] for number in sorted(found))


def stage_padding(plan: Plan, kinds: Kinds, section: Section) -> int:
    """Bytes of padding in the states that a rank holds on its GPU: without them, and added up over the ranks that share
    them, they are the whole states of the stage. Not counted: 4-bit weights, and shares that are dealt out unevenly.
    """
    degrees = replicas(plan)
    holding = trained_holding(plan, kinds, section, degrees)
    held = held_elements(plan, holding, degrees)
    padded = _padded(plan, section, holding, held, degrees)
    states = on_device(plan, stage_states(plan, kinds, section))
    updated = states.master_parameters + states.optimizer_states
    weights = padded.parameters * trained_width(plan) + _frozen_padding(plan, kinds, section, degrees)
    return (
        (weights if states.parameters else 0)
        + states.gradients * padded.gradients // max(1, held.gradients)
        + updated * padded.updated // max(1, held.updated)
    )


def _divided(plan: Plan) -> _Divided:
    stack, zero_stage, whole = plan.training.stack, plan.parallelism.zero_stage, shards_parameters(plan)
    distributed = stack in MEGATRON_STACKS and (plan.parallelism.distributed_optimizer or zero_stage >= 1)
    zero = stack == "deepspeed" and zero_stage >= 1
    return _Divided(whole, whole or (zero and zero_stage == 2), whole or distributed or zero)


def _padded(plan: Plan, section: Section, holding: Holding, held: Held, degrees: Degrees) -> Held:
    """Elements of padding in what a rank holds of the trained weights."""
    rows = vocabulary_padding(plan, trained_ends(plan, section.embedding, section.head))
    weights, gradients, updated = (
        shard_padding(part, holding, degrees if shared else Degrees(1, 1)) + rows // (degrees.dense if shared else 1)
        for part, shared in zip(held, _divided(plan), strict=True)
    )
    return Held(weights, gradients, 0 if is_layer_wise(plan) else updated)


def _frozen_padding(plan: Plan, kinds: Kinds, section: Section, degrees: Degrees) -> int:
    """Bytes of padding in the weights that are held and never updated."""
    if plan.training.method.kind == "full":
        return 0
    frozen, shared = frozen_holding(plan, kinds, section, degrees), shards_parameters(plan)
    rows = vocabulary_padding(plan, frozen_ends(plan, section.embedding, section.head))
    tensors = shard_padding(frozen.part, frozen, degrees) if shared and plan.training.method.kind != "qlora" else 0
    return (tensors + rows // (degrees.dense if shared else 1)) * DTYPE_BYTES[plan.precision.parameters]


def shard_padding(part: int, holding: Holding, degrees: Degrees) -> int:
    """Elements of a rank's part beyond its even share: the weights are ranks × (part - padding), but for less than an
    element a rank. Tensors are padded one by one as in `holdings.tensorwise_part`, or all together as in
    `states.flat_elements`.
    """
    return part - holding.dense // degrees.dense - holding.expert // degrees.expert


def vocabulary_padding(plan: Plan, ends: Shard) -> int:
    """Elements of a rank's `ends` that are no token's, on average over the tensor group: the rows that
    `shard.padded_vocabulary` adds to the table and the head.
    """
    shape, tensor = plan.model.shape, cuts_of(plan.parallelism).tensor
    padded = padded_vocabulary(shape, plan.training.stack, tensor)
    tables = sum(each.columns * count for each, count in ends.dense if each.rows == padded // tensor)
    return tables * (padded - shape.vocab_size) // tensor
