"""The buckets of torch's DistributedDataParallel."""

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.communication.torch_pipeline import received_ahead
from ftspec.memory.holdings import replicas, trained_elements
from ftspec.memory.step.frame import Frame
from ftspec.memory.trained_width import gradient_width


def ddp_buffers(frame: Frame) -> Buffers:
    """DDP copies gradients into flat buckets, all of them, unless `gradient_as_bucket_view` is set
    (torch/csrc/distributed/c10d/reducer.cpp, `initialize_buckets`).
    """
    width = gradient_width(frame.plan)
    buckets = (replicas(frame.plan).dense > 1) * trained_elements(frame.plan, frame.kinds, frame.section) * width
    return Buffers(always=buckets + received_ahead(frame))
