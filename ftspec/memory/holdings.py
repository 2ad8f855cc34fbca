"""The tensors of one stage on one rank, added up: what it trains and what it only holds."""

from collections.abc import Callable
from typing import NamedTuple

from ftspec.memory.kinds import Kind, Kinds
from ftspec.memory.numbers import largest, parts, weighted
from ftspec.memory.outline import Section
from ftspec.memory.shard import Shard, counted
from ftspec.memory.trained import frozen_ends, frozen_layer, trained_ends, trained_layer
from ftspec.plan.model import Plan


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
    dense = largest(layout.data, 1) * largest(layout.context, 1)
    experts = max(1, layout.expert) * max(1, layout.expert_tensor)
    return Degrees(dense, largest(dense * max(1, layout.tensor) // experts, 1))


def tensorwise_part(shard: Shard, degrees: Degrees, by_rows: bool) -> int:
    """Elements of a rank where each tensor is padded and divided by itself: its rows, of which none is broken, or all
    of its elements.

    Source: torch/distributed/fsdp/_fully_shard/_fsdp_param.py, `_init_sharded_param` (`Shard(0)`);
    deepspeed/runtime/zero/partition_parameters.py, `_aligned_size` and `_partition_param`.
    """
    total = 0
    for sizes, degree in ((shard.dense, degrees.dense), (shard.expert, degrees.expert)):
        for tensor, count in sizes:
            part = parts(tensor.rows, degree) * tensor.columns if by_rows else parts(tensor.elements, degree)
            total = total + count * part
    return total


def gathered_elements(shard: Shard, degrees: Degrees) -> int:
    """Elements of tensors that are gathered from parts of whole rows, with the padding
    (torch/distributed/fsdp/_fully_shard/_fsdp_param.py, `padded_sharded_param_size`).
    """
    total = 0
    for sizes, degree in ((shard.dense, degrees.dense), (shard.expert, degrees.expert)):
        for tensor, count in sizes:
            total = total + count * parts(tensor.rows, degree) * degree * tensor.columns
    return total


class Holding(NamedTuple):
    """Elements on the rank: of dense tensors and of experts, whole; the rank's part of all of them where each tensor
    is divided over the replicas; and the number of tensors.
    """

    dense: int
    expert: int
    part: int
    tensors: int

    @property
    def elements(self) -> int:
        """Dense and expert elements."""
        return self.dense + self.expert


def _held(
    plan: Plan, kinds: Kinds, section: Section, layer: Callable[[Plan, Kind], Shard], ends: Shard, degrees: Degrees
) -> Holding:
    shards = [*(layer(plan, kinds.each[kind]) for kind in section.outline.kinds), ends]
    counts, by_rows = (*section.outline.counts, 1), plan.training.stack == "fsdp2"
    return Holding(
        dense=weighted(counts, [counted(shard.dense) for shard in shards]),
        expert=weighted(counts, [counted(shard.expert) for shard in shards]),
        part=weighted(counts, [tensorwise_part(shard, degrees, by_rows) for shard in shards]),
        tensors=weighted(counts, [shard.tensors for shard in shards]),
    )


def trained_holding(plan: Plan, kinds: Kinds, section: Section, degrees: Degrees) -> Holding:
    """The tensors of a stage that the optimizer updates."""
    ends = trained_ends(plan, section.embedding, section.head)
    return _held(plan, kinds, section, trained_layer, ends, degrees)


def frozen_holding(plan: Plan, kinds: Kinds, section: Section, degrees: Degrees) -> Holding:
    """The tensors of a stage that are held and never updated."""
    ends = frozen_ends(plan, section.embedding, section.head)
    return _held(plan, kinds, section, frozen_layer, ends, degrees)


def trained_elements(plan: Plan, kinds: Kinds, section: Section) -> int:
    """How many elements of a stage the optimizer updates, before any sharding over replicas."""
    counts = (*section.outline.counts, 1)
    layers = [trained_layer(plan, kinds.each[kind]).elements for kind in section.outline.kinds]
    return weighted(counts, [*layers, trained_ends(plan, section.embedding, section.head).elements])
