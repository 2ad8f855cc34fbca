"""What a pipeline stage receives from its neighbours."""

from ftspec.memory.numbers import when
from ftspec.memory.step.frame import Frame


def received(frame: Frame) -> int:
    """Activations received from and gradients sent to the neighbour stages, one micro-batch each
    (megatron/core/pipeline_parallel/p2p_communication.py).
    """
    one = frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.compute
    return when(frame.plan.parallelism.pipeline > 1, 2 * one)
