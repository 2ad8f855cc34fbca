"""The buffers of torch's `fully_shard`."""

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.holdings import replicas
from ftspec.memory.numbers import parts
from ftspec.memory.shard import counted
from ftspec.memory.step.frame import Frame
from ftspec.plan.model import DTYPE_BYTES


def fsdp2_buffers(frame: Frame) -> Buffers:
    """`fully_shard` of each layer and of the root (torch/distributed/fsdp/_fully_shard/_fsdp_param_group.py): the root
    (embedding, norm, head) stays gathered from its forward to its backward; a layer's gather buffer outlives its
    forward until the next gather; in backward a layer is gathered, the next one ahead of time, and the gradients of
    the last one are in their reduce-scatter.
    """
    width, reduced = frame.setting.parameters, DTYPE_BYTES[frame.plan.precision.gradients]
    ranks = replicas(frame.plan).dense
    shared = ranks > 1
    ends = counted(frame.ends.dense)
    root, layer = shared * ends * width, shared * frame.largest_layer
    return Buffers(
        ends=root + layer * width,
        layer=root + layer * width,
        before=layer * width,
        behind=layer * reduced,
        embedding=root + layer * reduced,
        root_reduce=shared * ends * reduced,
        root_shard=shared * parts(ends, ranks) * reduced,
    )
