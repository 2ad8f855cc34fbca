"""What ZeRO 3 gathers of the parameters (deepspeed/runtime/zero/partitioned_param_coordinator.py)."""

from typing import NamedTuple

from ftspec.memory.deepspeed.engine import frozen_shards, largest_tensor, trained_shards
from ftspec.memory.holdings import replicas
from ftspec.memory.numbers import smallest, weighted, when
from ftspec.memory.shard import Shard
from ftspec.memory.step.frame import Frame


class Gatherable(NamedTuple):
    """Elements of a stage's tensors on this rank: of those that come and go, of those among them that come back in the
    backward pass, and of those that stay; of the largest layer's, of the largest one in a layer, and of the larger end
    (embedding or head), all of those that come and go.
    """

    passing: int
    returning: int
    persistent: int
    layer: int
    in_layer: int
    end: int


def _small(shard: Shard, threshold: int) -> int:
    sizes = (*shard.dense, *shard.expert)
    return sum(tensor.elements * count for tensor, count in sizes if tensor.elements <= threshold)


def gatherable(frame: Frame) -> Gatherable:
    """Tensors of up to `param_persistence_threshold` elements stay gathered
    (deepspeed/runtime/zero/parameter_offload.py, `mark_persistent_parameters`).
    """
    threshold = frame.plan.zero.param_persistence_threshold
    shards = [*trained_shards(frame), *frozen_shards(frame)]
    counts = (*frame.outline.counts, 1) * 2
    small = [_small(shard, threshold) for shard in shards]
    passing = [shard.elements - held for shard, held in zip(shards, small, strict=True)]
    kinds = len(frame.outline.kinds)
    layers = [passing[kind] + passing[kinds + 1 + kind] for kind in range(kinds)]
    back = [not frame.kinds.each[kind].variant.silent for kind in frame.outline.kinds]
    in_layer = largest_tensor([*shards[:kinds], *shards[kinds + 1 : -1]])
    end = largest_tensor([shards[kinds], shards[-1]])
    return Gatherable(
        passing=weighted(counts, passing),
        returning=weighted(counts, [each * count for each, count in zip(passing, (*back, True) * 2, strict=True)]),
        persistent=weighted(counts, small),
        layer=max(layers, default=0),
        in_layer=in_layer if in_layer > threshold else 0,
        end=end if end > threshold else 0,
    )


class Gathered(NamedTuple):
    """Bytes of gathered parameters: in the last layer's forward, when the head is in use, in a layer's backward, and in
    the embedding's.
    """

    forward: int
    ends: int
    layer: int
    embedding: int


def gathered(frame: Frame) -> Gathered:
    """What is gathered. One rank alone gathers nothing.

    Each module fetches ahead until `max_live_parameters` is reached, and the last tensor fetched passes it
    (`fetch_sub_module`). What runs is gathered whatever the limit says: a tensor, with checkpointing a layer. Small
    models are kept whole from forward to backward (`__params_to_release`: `max_reuse_distance`).
    """
    tensors, zero = gatherable(frame), frame.plan.zero
    checkpointed = frame.plan.training.activation_checkpointing == "full"
    running = tensors.layer if checkpointed else tensors.in_layer
    live = zero.max_live_parameters if zero.prefetch_bucket_size else 0
    ahead = live + tensors.in_layer if zero.prefetch_bucket_size else 0
    passes = 2 * tensors.passing > zero.max_reuse_distance
    arriving = when(passes, in_flight(frame, tensors))

    def sized(elements: int, flat: int, most: int) -> int:
        held = smallest(most, elements) + flat + tensors.persistent
        return (replicas(frame.plan).dense > 1) * held * frame.setting.parameters

    return Gathered(
        forward=sized(max(running, live) + tensors.end, in_flight(frame, tensors), tensors.passing),
        ends=sized(max(tensors.end, ahead), arriving, tensors.passing),
        layer=sized(max(running, ahead), arriving, tensors.returning),
        embedding=sized(tensors.end, 0, tensors.passing),
    )


def in_flight(frame: Frame, tensors: Gatherable) -> int:
    """Elements of the flat buffer that a fetch of several tensors arrives in: it is freed when all of them have been
    used (deepspeed/runtime/zero/partition_parameters.py, `AllGatherCoalescedHandle`); a fetch one by one needs none.
    """
    zero = frame.plan.zero
    if zero.allgather_sequential or not zero.prefetch_bucket_size:
        return 0
    return smallest(tensors.passing, min(zero.prefetch_bucket_size, zero.max_live_parameters) + tensors.in_layer)


def secondary_part(frame: Frame) -> int:
    """A second copy of the parameters, divided over `hpz_partition_size` ranks
    (deepspeed/runtime/zero/partition_parameters.py, `_partition_param_sec`).
    """
    size = frame.plan.zero.hpz_partition_size
    if size <= 1:
        return 0
    tensors = gatherable(frame)
    return -(-(tensors.passing + tensors.persistent) // size) * frame.setting.parameters
