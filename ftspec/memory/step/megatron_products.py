"""Products as Transformer Engine's modules run them: norms fused in front, gradients of weights added to the main
gradients inside the kernel, collectives along the sequence.

Sources: transformer_engine/pytorch/module/layernorm_linear.py and linear.py; Korthikanti et al. 2022, sections 4 and 5.
"""

from ftspec.memory.step.form import Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, gradient
from ftspec.memory.step.tape import Step, Value


def gathered(builder: Builder, features: int) -> tuple[Step, ...]:
    """The whole sequence of a tensor that is kept along the sequence, gathered for one product."""
    if not builder.setting.sequence_parallel:
        return ()
    return (Step("allocate", builder.rows * (features * builder.compute)),)


def fused_norm(builder: Builder, value: Value, elements: Form, rows: Form) -> Value:
    """A norm in one kernel: its input is kept, and statistics of each row in fp32."""
    count = 1 if builder.setting.shape.norm == "rmsnorm" else 2
    return builder.record((value,), Value(elements, builder.compute), (value, Value(rows * count, FP32)), gradient(0))


def norm_linear(builder: Builder, value: Value, inputs: int, outputs: int) -> Value:
    """`TELayerNormColumnParallelLinear`: keeps its input and the normalized input, both along the sequence."""
    normal = Value(builder.norm_rows * inputs, builder.compute)
    saved = (value, normal, Value(builder.norm_rows, FP32))
    steps = (*gathered(builder, inputs), Step("allocate", builder.rows * (inputs * builder.compute)), gradient(0))
    return builder.record((value,), Value(builder.rows * outputs, builder.compute), saved, *steps)


def column_linear(builder: Builder, value: Value, inputs: int, outputs: int) -> Value:
    """`TEColumnParallelLinear`: keeps its input, along the sequence."""
    steps = (*gathered(builder, inputs), gradient(0))
    return builder.record((value,), Value(builder.rows * outputs, builder.compute), (value,), *steps)


def whole_linear(builder: Builder, value: Value, outputs: int) -> Value:
    """`TELinear` whose weight every rank has whole: works on the rank's part of the sequence."""
    return builder.record((value,), Value(builder.norm_rows * outputs, builder.compute), (value,), gradient(0))


def row_linear(builder: Builder, value: Value, outputs: int) -> Value:
    """`TERowParallelLinear`: keeps its input; its output is summed over the tensor group and cut along the sequence."""
    result = Value(builder.norm_rows * outputs, builder.compute)
    return builder.record((value,), result, (value,), *gathered(builder, outputs), gradient(0))


def activated(builder: Builder, inner: Value, rows: Form, width: int) -> Value:
    """`bias_swiglu_impl` and its like: one kernel, its input is kept."""
    if builder.setting.shape.mlp == "plain":
        return builder.pointwise(inner)
    return builder.record((inner,), Value(rows * width, inner.width), (inner,), gradient(0))
