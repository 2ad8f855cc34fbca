"""Logits: the head's output, its fp32 copy, and the log-softmax."""

from ftspec.memory.numbers import parts, power_of_two, smallest
from ftspec.memory.step.frame import Frame
from ftspec.memory.step.losses import CHUNKS
from ftspec.memory.step.method import head_variant


def held_logits(frame: Frame) -> int:
    """The head's output, which a training loop holds through the whole step as a field of the model's output."""
    if frame.head is None or frame.setting.megatron or frame.setting.loss == "fused":
        return 0
    return frame.vocabulary * frame.point.tokens * frame.setting.compute


def loss_forward_logits(frame: Frame) -> int:
    """At the end of the forward pass: the logits, their fp32 copy and the log-softmax of it
    (transformers/loss/loss_utils.py, `ForCausalLMLoss`), beside the step before's logits, which the loop still holds.
    A vocabulary-parallel loss also has the logits less their maximum (torch/distributed/tensor/parallel/loss.py,
    `_log_softmax`). A chunked loss lays every chunk out anew, unless there is but one sequence: `reshape` of a part of
    each (torchtune/modules/loss/ce_chunked_output_loss.py).
    Megatron has no more than the logits and one fp32 copy (megatron/core/tensor_parallel/cross_entropy.py).
    """
    elements, compute = frame.vocabulary * frame.point.tokens, frame.setting.compute
    if frame.setting.megatron:
        return elements * (compute + 4)
    if frame.setting.loss == "fused":
        return _fused_forward(frame)
    if frame.setting.loss == "chunked":
        copied = (frame.plan.training.micro_batch_size > 1) * compute
        return elements * (2 * compute + copied + 4) + elements * 4 // CHUNKS
    shifted = 4 if frame.setting.tensor > 1 else 0
    return elements * (2 * compute + (4 if compute != 4 else 0) + 4 + shifted)


def _fused_forward(frame: Frame) -> int:
    """What there is in Liger's loss in the forward pass: its input, gradients of it and of a trained weight, and the
    logits of a chunk of rows, which are about as large as the input; autocast casts the transposed weight for each
    chunk, and remembers its cast of the weight itself, if that is trained
    (liger_kernel/ops/fused_linear_cross_entropy.py, `fused_linear_cross_entropy_forward`).
    """
    setting, rows = frame.setting, frame.point.tokens
    hidden, vocabulary = setting.shape.hidden_size, frame.vocabulary
    chunk = smallest(rows, power_of_two(parts(rows, parts(vocabulary, hidden))))
    weight, trained = vocabulary * hidden, head_variant(frame.plan).trained
    inputs = 1 if setting.autocast else 2  # under autocast `activations.kept_in_forward` has the input
    made = inputs * rows * hidden * setting.residual + trained * weight * setting.parameters
    cast = setting.autocast * (1 + trained) * weight * setting.compute
    return made + chunk * vocabulary * setting.compute + cast
