"""Where gradients are collected to be reduced: buckets, the copies that a reduction makes, the partition's buffer."""

from ftspec.memory.deepspeed.engine import Trained, whole_tensors_of_part
from ftspec.memory.facts import fact
from ftspec.memory.numbers import largest, smallest, when
from ftspec.plan.model import Plan


def filled(plan: Plan, trained: Trained) -> int:
    """Elements in a bucket when it is reduced: a tensor larger than the bucket is reduced alone."""
    return smallest(trained.elements, max(plan.zero.reduce_bucket_size, trained.largest))


def spills(plan: Plan, trained: Trained) -> bool:
    """Whether a bucket is reduced before the backward pass is done."""
    return trained.elements > plan.zero.reduce_bucket_size


def reduces_in_hooks(plan: Plan, trained: Trained) -> bool:
    """Whether gradients are reduced as they come (deepspeed/runtime/zero/stage_1_and_2.py, `process_gradients`)."""
    return trained.engine in ("zero_2", "zero_3") or (trained.engine == "zero_1" and plan.zero.overlap_comm)


def collected_width(trained: Trained) -> int:
    """Bytes of a gradient in the bucket: ZeRO 1 collects what it has accumulated
    (deepspeed/runtime/zero/stage_1_and_2.py, `_gradient_reduction_buffer_dtype`).
    """
    return trained.accumulated if trained.engine == "zero_1" else trained.made


def bucket(plan: Plan, trained: Trained) -> int:
    """The bucket, allocated whole; two of them where ZeRO 1 or 2 overlaps; without `contiguous_gradients` there is none
    (deepspeed/runtime/zero/stage_1_and_2.py, `setup_buckets`; stage3.py, `_setup_for_real_optimizer`).
    """
    if trained.engine not in ("zero_1", "zero_2", "zero_3"):
        return 0
    contiguous = plan.zero.contiguous_gradients or plan.parallelism.offload_optimizer != "none"
    if not contiguous:
        return when(reduces_in_hooks(plan, trained), filled(plan, trained) * trained.made)
    count = 2 if plan.zero.overlap_comm and trained.engine != "zero_3" else 1
    return (trained.elements > 0) * count * plan.zero.reduce_bucket_size * collected_width(trained)


def reduction_copy(plan: Plan, trained: Trained) -> int:
    """What a reduction of a full bucket copies: ZeRO 1 and 2 flatten what goes to several ranks
    (deepspeed/runtime/zero/stage_1_and_2.py, `allreduce_bucket`), ZeRO 3 puts the parts of each rank together
    (deepspeed/runtime/comm/coalesced_collectives.py, `reduce_scatter_coalesced`).
    """
    copied = filled(plan, trained) * collected_width(trained)
    return copied if trained.engine == "zero_3" else (trained.ranks > 1) * copied


def widened_part(trained: Trained) -> int:
    """The fp32 copy of what a reduction adds to the partition's fp32 gradients, a tensor at a time
    (deepspeed/runtime/zero/stage_1_and_2.py, `_add_to_grad_partition_buffer`).
    """
    return when(trained.accumulated > trained.made, smallest(trained.largest, trained.part) * trained.accumulated)


def partition_buffer(trained: Trained) -> int:
    """The reduced gradients that are the rank's own: fp32 ones in a buffer of the partition's size
    (deepspeed/runtime/zero/stage_1_and_2.py, `_build_compact_grad_partition_buffer`), others as whole tensors.
    """
    if trained.accumulated > trained.made:
        return trained.part * trained.accumulated
    return whole_tensors_of_part(trained) * trained.made


def partition_overhang(plan: Plan, trained: Trained) -> int:
    """What the partition's buffer has of tensors beyond the partition; none of fp32 or offloaded gradients."""
    if trained.accumulated > trained.made or plan.parallelism.offload_optimizer != "none":
        return 0
    return partition_buffer(trained) - trained.part * trained.made


def second_partition_buffer(plan: Plan, trained: Trained) -> int:
    """ZeRO 2 collects each further micro-batch's gradients in a buffer of their own, and adds them at the end of the
    backward pass (deepspeed/runtime/zero/stage_1_and_2.py, `independent_gradient_partition_epilogue`).
    """
    if trained.engine != "zero_2" or trained.accumulated > trained.made or plan.parallelism.offload_optimizer != "none":
        return 0
    return when(plan.training.gradient_accumulation_steps > 1, partition_buffer(trained))


def after_backward(plan: Plan, trained: Trained) -> int:
    """What the reduction at the end of the backward pass needs beside all gradients.

    Without ZeRO: a copy of as much as is reduced at once (deepspeed/runtime/engine.py, `allreduce_bucket`);
    BF16_Optimizer's gradients are one tensor, copied to the type that is communicated.
    """
    if trained.engine == "bf16":
        return trained.elements * trained.made
    if trained.engine in ("fp16", "plain"):
        limit = fact("deepspeed", "allreduce_bucket_elements")
        return smallest(trained.elements, limit + trained.largest) * trained.made
    if trained.engine == "zero_1":
        copies = largest(reduction_copy(plan, trained), partition_buffer(trained))
        return _buckets_at_the_end(plan, trained) + copies - _taken_over(plan, trained)
    alone = trained.elements <= plan.zero.reduce_bucket_size
    return when(alone, _last_bucket(plan, trained))


def _buckets_at_the_end(plan: Plan, trained: Trained) -> int:
    """The pipeline engine has ZeRO 1 make another bucket when it reduces
    (deepspeed/runtime/zero/stage_1_and_2.py, `reduce_gradients`).
    """
    held = bucket(plan, trained)
    return held + when(plan.parallelism.pipeline > 1, held)


def _last_bucket(plan: Plan, trained: Trained) -> int:
    """ZeRO 2 and 3: all gradients lie in the bucket. The partition's buffer comes after the copy, but an fp32 one
    before it.
    """
    copied = reduction_copy(plan, trained)
    if trained.engine == "zero_3":
        return copied
    if trained.accumulated > trained.made:
        return bucket(plan, trained) + copied + widened_part(trained)
    owned = trained.part * trained.made
    beside = partition_overhang(plan, trained) + second_partition_buffer(plan, trained)
    return bucket(plan, trained) + largest(copied - owned, beside)


def _taken_over(plan: Plan, trained: Trained) -> int:
    """Bytes of gradients that ZeRO 1's first bucket has taken over when it is reduced, since the next tensor does not
    fit; none where the first tensor of all is larger than a bucket, or without `contiguous_gradients`.
    """
    size = plan.zero.reduce_bucket_size
    if trained.largest > size or not plan.zero.contiguous_gradients:
        return 0
    return smallest(trained.elements, size - trained.in_layer) * collected_width(trained)
