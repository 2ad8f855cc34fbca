"""The buffers of DeepSpeed's engine."""

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.communication.pipeline import received
from ftspec.memory.deepspeed.buckets import (
    after_backward,
    bucket,
    partition_overhang,
    reduces_in_hooks,
    reduction_copy,
    second_partition_buffer,
    spills,
    widened_part,
)
from ftspec.memory.deepspeed.engine import Trained, trained_of
from ftspec.memory.deepspeed.gathered import gathered, secondary_part
from ftspec.memory.numbers import when
from ftspec.memory.step.frame import Frame


def deepspeed_buffers(frame: Frame) -> Buffers:
    """ZeRO 3's bucket always; those of ZeRO 1 and 2 from the first gradient of a backward pass to its end, of ZeRO 1 in
    every pass after the first; what is gathered; and what a reduction copies, where a bucket is full before the end.
    """
    trained = trained_of(frame)
    always = received(frame) + _offload_staging(frame, trained)
    if trained.engine == "zero_3":
        return _gathering(frame, trained, always + bucket(frame.plan, trained) + secondary_part(frame))
    again = frame.plan.training.gradient_accumulation_steps > 1
    held = bucket(frame.plan, trained)
    before = when(again, held) if trained.engine == "zero_1" else 0
    layer = held + _in_hooks(frame, trained)
    reduction = after_backward(frame.plan, trained)
    return Buffers(always=always, forward=before, ends=before, layer=layer, embedding=layer, reduction=reduction)


def _gathering(frame: Frame, trained: Trained, always: int) -> Buffers:
    there, copied = gathered(frame), _in_hooks(frame, trained)
    return Buffers(
        always=always,
        forward=there.forward,
        ends=there.ends,
        layer=there.layer + copied,
        embedding=there.embedding + copied,
        reduction=after_backward(frame.plan, trained),
    )


def _in_hooks(frame: Frame, trained: Trained) -> int:
    """What a gradient's hook makes while layers run backward: the copies of a reduction; the fp32 copy of one gradient
    under BF16_Optimizer (deepspeed/runtime/bf16_optimizer.py, `_update_hp_grad`).
    """
    plan = frame.plan
    if trained.engine == "bf16":
        return trained.largest * trained.accumulated
    if not reduces_in_hooks(plan, trained):
        return 0
    copies = reduction_copy(plan, trained)
    if trained.engine == "zero_2":
        copies += widened_part(trained) + partition_overhang(plan, trained) + second_partition_buffer(plan, trained)
    return when(spills(plan, trained), copies)


def _offload_staging(frame: Frame, trained: Trained) -> int:
    """A buffer of the largest tensor on the GPU, through which ZeRO 1 and 2 add gradients that were moved to the host
    (deepspeed/runtime/zero/stage_1_and_2.py, `temp_grad_buffer_for_gpu_offload`).
    """
    if frame.plan.parallelism.offload_optimizer == "none" or trained.engine not in ("zero_1", "zero_2"):
        return 0
    return trained.largest * trained.made
