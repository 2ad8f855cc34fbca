"""What torch's own pipelines hold beside a stage's layers (torch/distributed/pipelining)."""

from ftspec.memory.numbers import largest, when
from ftspec.memory.step.constants import masks, model_constants
from ftspec.memory.step.frame import Frame

TORCH_PIPELINES = frozenset({"fsdp2", "ddp"})
"""Stacks whose stages are torch's `PipelineStage`s."""


def _stream(frame: Frame) -> int:
    """Bytes of one micro-batch's hidden states between stages."""
    return frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.residual


def received_ahead(frame: Frame) -> int:
    """A stage allocates what it receives into before the first step, for each micro-batch of a step by itself: the
    hidden states from before it, the gradients from behind it (torch/distributed/pipelining/stage.py,
    `_setup_forward_recv_info`, `_create_grad_recv_info`). A layer's backward begins with such a gradient, which is not
    another one; the gradient of the last micro-batch is held until it is sent (schedules.py, `bwd_sends`).
    """
    plan, section = frame.plan, frame.section
    chunks = max(1, plan.parallelism.virtual_pipeline)
    steps = largest(plan.training.gradient_accumulation_steps, 1)
    tensors = (2 * chunks - section.embedding - section.head) * steps + section.head - section.embedding
    return when(plan.parallelism.pipeline > 1, tensors * _stream(frame))


def another_micro_batch(frame: Frame) -> int:
    """What a further micro-batch in flight keeps beside its layers: its cosines and sines, its mask where layers are
    recomputed. Its input, where the first layer keeps it, lies where it was received.
    """
    checkpointed = frame.plan.training.activation_checkpointing == "full"
    form = model_constants(frame.setting, 0, differentiated=True)
    beside = (form + masks(frame.setting) if checkpointed else form).at(frame.point)
    if frame.section.embedding or not frame.layers:
        return beside
    first = frame.layers[0]
    return beside - (first.first if checkpointed or first.keeps_first else 0)
