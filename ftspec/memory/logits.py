"""Logits: the head's output, its fp32 copy, and the log-softmax."""

from ftspec.memory.step.frame import Frame


def held_logits(frame: Frame) -> int:
    """The head's output, which a training loop holds through the whole step as a field of the model's output."""
    if frame.head is None:
        return 0
    return frame.vocabulary * frame.point.tokens * frame.setting.compute


def loss_forward_logits(frame: Frame) -> int:
    """At the end of the forward pass: the logits, their fp32 copy and the log-softmax of it
    (transformers/loss/loss_utils.py, `ForCausalLMLoss`), beside the step before's logits, which the loop still holds.
    """
    elements, compute = frame.vocabulary * frame.point.tokens, frame.setting.compute
    return elements * (2 * compute + (4 if compute != 4 else 0) + 4)
