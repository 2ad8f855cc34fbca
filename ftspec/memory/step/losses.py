"""Losses: what is kept of the logits, and what their gradient takes."""

from ftspec.memory.step.form import ZERO, Form
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
    """The same, a chunk of the rows at a time: the log-softmax of every chunk is kept, the fp32 copy and the gradients
    in fp32 are a chunk's.
    """
    kept = Value(logits.elements, FP32, "logits")
    chunk = (logits.elements // CHUNKS) * FP32
    steps = (Step("allocate", chunk), Step("allocate", chunk), gradient(0))
    return builder.record((logits,), Value(ZERO, FP32), (kept,), *steps)


def fused_loss(builder: Builder, value: Value, vocabulary: int) -> Value:
    """Head and loss in one: the forward pass makes the gradients of its input and of the weight, and holds logits of a
    few rows only (Liger-Kernel, liger_kernel/ops/fused_linear_cross_entropy.py: rows in all ÷ (vocabulary ÷ hidden),
    rounded up to a power of two, so at most twice as much as the input).
    """
    setting = builder.setting
    hidden = setting.shape.hidden_size
    weight = builder.weight(vocabulary * hidden)
    whole = builder.rows * (hidden * builder.compute)
    made = [Value(builder.rows * hidden, builder.compute, "logits")]
    if weight.needs_gradient:
        made.append(Value(Form(vocabulary * hidden), weight.width, "logits"))
    steps = (gradient(0), gradient(1), Step("allocate", whole))
    return builder.record((value, weight), Value(ZERO, FP32), tuple(made), *steps)
