"""Losses: what is kept of the logits, and what their gradient takes."""

from ftspec.memory.step.form import ZERO
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, gradient
from ftspec.memory.step.tape import Step, Value

CHUNKS = 8
"""Chunks of a chunked loss (torchtune/modules/loss/ce_chunked_output_loss.py, `num_output_chunks`)."""


def _mean(builder: Builder, probabilities: Value) -> Value:
    return builder.record((probabilities,), Value(ZERO, FP32), (), gradient(0))


def standard_loss(builder: Builder, logits: Value) -> Value:
    """`ForCausalLMLoss` (transformers/loss/loss_utils.py): logits in fp32, their log-softmax kept."""
    wide = builder.cast(logits, FP32)
    wide.role = "logits"
    if builder.setting.tensor > 1:
        return _vocabulary_parallel(builder, wide)
    return _mean(builder, builder.softmax(wide))


def _vocabulary_parallel(builder: Builder, wide: Value) -> Value:
    """`loss_parallel` (torch/distributed/tensor/parallel/loss.py, `_nll_loss_and_log_softmax_backward`): one backward
    for both, from a tensor of zeros and ones and the exponential of what was kept.
    """
    kept = Value(wide.elements, FP32, "logits")
    steps = (Step("allocate", wide.size), Step("allocate", wide.size), gradient(0))
    return builder.record((wide,), Value(ZERO, FP32), (kept,), *steps)


def chunked_loss(builder: Builder, logits: Value) -> Value:
    """The same, a chunk of the positions at a time: the log-softmax of every chunk is kept; in the backward pass each
    chunk's gradient waits in the logits' type until all are joined.
    """
    chunks = builder.split(logits, (logits.elements // CHUNKS,) * CHUNKS)
    total: Value | None = None
    for chunk in chunks:
        chunk.role = "logits"
        wide = builder.cast(chunk, FP32)
        each = _mean(builder, builder.softmax(wide))
        total = each if total is None else builder.add(total, each)
    assert total is not None
    return total


def fused_loss(builder: Builder, value: Value, vocabulary: int) -> Value:
    """Head and loss in one: the forward pass makes the gradients of its input and of the weight, and the backward pass
    hands them on (liger_kernel/ops/fused_linear_cross_entropy.py, `LigerFusedLinearCrossEntropyFunction`).
    """
    hidden = builder.setting.shape.hidden_size
    weight = builder.weight(vocabulary * hidden)
    made = [Value(builder.rows * hidden, value.width, "logits")]
    if weight.needs_gradient:
        made.append(Value(weight.elements, weight.width, "logits"))
    return builder.record((value, weight), Value(ZERO, FP32), tuple(made), Step("take"), Step("take", which=1))
