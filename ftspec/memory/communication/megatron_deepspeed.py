"""What DeepSpeed's engine adds to Megatron's buffers."""

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.communication.megatron import megatron_buffers
from ftspec.memory.holdings import replicas, trained_elements
from ftspec.memory.step.frame import Frame
from ftspec.plan.model import DTYPE_BYTES


def megatron_deepspeed_buffers(frame: Frame) -> Buffers:
    """The bucket in which ZeRO reduces gradients: with a pipeline all of it is allocated before they are
    (deepspeed/runtime/zero/stage_1_and_2.py, `reduce_gradients`); and the module's own 16-bit gradients, which the
    pipeline engine keeps beside their fp32 sums (deepspeed/runtime/bf16_optimizer.py, `update_hp_grads` with
    `clear_lp_grads` left out).
    """
    plan, always = frame.plan, megatron_buffers(frame).always
    precision, sharded = plan.precision, (plan.parallelism.zero_stage > 0) * (replicas(plan).dense > 1)
    bucket = sharded * plan.zero.reduce_bucket_size * DTYPE_BYTES[precision.gradients]
    module = 0
    if precision.gradients != precision.parameters:
        module = trained_elements(plan, frame.kinds, frame.section) * DTYPE_BYTES[precision.parameters]
    return Buffers(always=always + bucket + module)
