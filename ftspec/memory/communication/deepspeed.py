"""The buffers of DeepSpeed's ZeRO."""

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.communication.pipeline import received
from ftspec.memory.facts import fact
from ftspec.memory.holdings import replicas, trained_elements
from ftspec.memory.step.frame import Frame
from ftspec.plan.model import DTYPE_BYTES


def deepspeed_buffers(frame: Frame) -> Buffers:
    """ZeRO's buckets, whole from the first backward on; under ZeRO 3 what is gathered of parameters
    (deepspeed/runtime/zero/partitioned_param_coordinator.py): the running layer and what is fetched ahead of it, no
    more than the live limit.
    """
    plan = frame.plan
    pipeline, stage = received(frame), plan.parallelism.zero_stage
    if stage == 0:
        return Buffers(always=pipeline)
    shared = replicas(plan).dense > 1
    trained = trained_elements(plan, frame.kinds, frame.section)
    bucket = (trained > 0) * fact("deepspeed", "reduce_bucket_elements") * DTYPE_BYTES[plan.precision.gradients]
    if stage < 3:
        return Buffers(always=pipeline + shared * bucket)
    held = shared * frame.setting.parameters
    layer = min(frame.largest_layer, fact("deepspeed", "live_elements"))
    ahead = min(fact("deepspeed", "prefetch_elements"), frame.largest_layer)
    end = max((tensor.elements for tensor, _ in frame.ends.dense), default=0) * held
    always = pipeline + shared * bucket
    return Buffers(always=always, forward=end, ends=end, layer=layer * held, before=ahead * held, embedding=end)
