"""Logits: the head's output, its fp32 copy, and the log-softmax."""

from ftspec.memory.step.frame import Frame
from ftspec.memory.step.losses import CHUNKS


def held_logits(frame: Frame) -> int:
    """The head's output, which a training loop holds through the whole step as a field of the model's output."""
    if frame.head is None or frame.setting.megatron or frame.setting.loss == "fused":
        return 0
    return frame.vocabulary * frame.point.tokens * frame.setting.compute


def loss_forward_logits(frame: Frame) -> int:
    """At the end of the forward pass: the logits, their fp32 copy and the log-softmax of it
    (transformers/loss/loss_utils.py, `ForCausalLMLoss`), beside the step before's logits, which the loop still holds.
    A vocabulary-parallel loss also has the logits less their maximum (torch/distributed/tensor/parallel/loss.py,
    `_log_softmax`).
    Megatron has no more than the logits and one fp32 copy (megatron/core/tensor_parallel/cross_entropy.py).
    """
    elements, compute = frame.vocabulary * frame.point.tokens, frame.setting.compute
    if frame.setting.megatron:
        return elements * (compute + 4)
    if frame.setting.loss == "fused":
        return _fused_forward(frame)
    if frame.setting.loss == "chunked":
        return elements * (2 * compute + 4) + elements * 4 // CHUNKS
    shifted = 4 if frame.setting.tensor > 1 else 0
    return elements * (2 * compute + (4 if compute != 4 else 0) + 4 + shifted)


def _fused_forward(frame: Frame) -> int:
    """The gradients that a fused loss makes on the way, and the logits of its few rows (`losses.fused_loss`)."""
    hidden, setting = frame.setting.shape.hidden_size, frame.setting
    return frame.point.tokens * hidden * 3 * setting.compute + frame.vocabulary * hidden * setting.parameters
