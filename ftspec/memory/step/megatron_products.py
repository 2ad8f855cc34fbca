"""Products as Transformer Engine's modules run them: norms fused in front, gradients of weights added to the main
gradients inside the kernel, collectives along the sequence.

Sources: transformer_engine/pytorch/module/layernorm_linear.py and linear.py; Korthikanti et al. 2022, sections 4 and 5.
"""

from ftspec.memory.step.form import Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, gradient
from ftspec.memory.step.tape import Step, Value


def gathered(builder: Builder, features: int) -> tuple[Step, ...]:
    """The whole sequence of a tensor that is kept along the sequence, gathered for one product; under fp8 as 8-bit
    numbers, of which products read the transpose as well.
    """
    if not builder.setting.sequence_parallel:
        return ()
    return (Step("allocate", builder.rows * (features * builder.compute)),)


def operand(builder: Builder, value: Value) -> Value:
    """What a product keeps of its input: under fp8 the 8-bit copy that the gradient of the weight reads, not the tensor
    itself (transformer_engine/pytorch/module/linear.py: `inputmat.update_usage(rowwise_usage=False, ...)`).
    """
    return Value(value.elements, 1) if builder.setting.fp8 else value


def quantized_gradient(builder: Builder, output: Form) -> tuple[Step, ...]:
    """Under fp8 the gradient of a product's output in 8 bits, by rows and by columns, for the two products that read it
    (transformer_engine/pytorch/module/base.py, `grad_output_preprocess`).
    """
    return (Step("allocate", output * 2),) if builder.setting.fp8 else ()


def fused_norm(builder: Builder, value: Value, elements: Form, rows: Form) -> Value:
    """A norm in one kernel: its input is kept, and statistics of each row in fp32."""
    count = 1 if builder.setting.shape.norm == "rmsnorm" else 2
    return builder.record((value,), Value(elements, builder.compute), (value, Value(rows * count, FP32)), gradient(0))


def norm_linear(builder: Builder, value: Value, inputs: int, outputs: int) -> Value:
    """`TELayerNormColumnParallelLinear`: keeps its input and the normalized input, both along the sequence."""
    normal = operand(builder, Value(builder.norm_rows * inputs, builder.compute))
    saved = (value, normal, Value(builder.norm_rows, FP32))
    result = builder.rows * outputs
    whole = Step("allocate", builder.rows * (inputs * builder.compute))
    steps = (*quantized_gradient(builder, result), *gathered(builder, inputs), whole, gradient(0))
    return builder.record((value,), Value(result, builder.compute), saved, *steps)


def column_linear(builder: Builder, value: Value, inputs: int, outputs: int) -> Value:
    """`TEColumnParallelLinear`: keeps its input, along the sequence."""
    result = builder.rows * outputs
    steps = (*quantized_gradient(builder, result), *gathered(builder, inputs), gradient(0))
    return builder.record((value,), Value(result, builder.compute), (operand(builder, value),), *steps)


def whole_linear(builder: Builder, value: Value, outputs: int) -> Value:
    """`TELinear` whose weight every rank has whole: works on the rank's part of the sequence."""
    return plain_linear(builder, value, builder.norm_rows * outputs)


def plain_linear(builder: Builder, value: Value, result: Form) -> Value:
    """A product of what is there, with nothing to gather."""
    steps = (*quantized_gradient(builder, result), gradient(0))
    return builder.record((value,), Value(result, builder.compute), (operand(builder, value),), *steps)


def row_linear(builder: Builder, value: Value, outputs: int) -> Value:
    """`TERowParallelLinear`: keeps its input; its output is summed over the tensor group and cut along the sequence."""
    result = Value(builder.norm_rows * outputs, builder.compute)
    steps = (*quantized_gradient(builder, result.elements), *gathered(builder, outputs), gradient(0))
    return builder.record((value,), result, (operand(builder, value),), *steps)


def activated(builder: Builder, inner: Value, rows: Form, width: int) -> Value:
    """`bias_swiglu_impl` and its like: one kernel, its input is kept."""
    if builder.setting.shape.mlp == "plain":
        return builder.pointwise(inner)
    return builder.record((inner,), Value(rows * width, inner.width), (inner,), gradient(0))
