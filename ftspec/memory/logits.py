"""Logits: the head's output, its fp32 copy, and the log-softmax."""

from ftspec.memory.step.frame import Frame


def held_logits(frame: Frame) -> int:
    """The head's output, which a training loop holds through the whole step as a field of the model's output."""
    if frame.head is None or frame.setting.megatron:
        return 0
    return frame.vocabulary * frame.point.tokens * frame.setting.compute


def loss_forward_logits(frame: Frame) -> int:
    """At the end of the forward pass: the logits, their fp32 copy and the log-softmax of it
    (transformers/loss/loss_utils.py, `ForCausalLMLoss`), beside the step before's logits, which the loop still holds. Megatron has no
    more than the logits and one fp32 copy (megatron/core/tensor_parallel/cross_entropy.py).
    """
    elements, compute = frame.vocabulary * frame.point.tokens, frame.setting.compute
    if frame.setting.megatron:
        return elements * (compute + 4)
    return elements * (2 * compute + (4 if compute != 4 else 0) + 4)
