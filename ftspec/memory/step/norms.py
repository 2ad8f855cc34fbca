"""Norms, as transformers writes them out."""

from ftspec.memory.step.form import Form
from ftspec.memory.step.operations import FP32, Program, gradient, passed
from ftspec.memory.step.tape import Step, Value


def rms_norm(program: Program, value: Value, rows: Form, weight: Value, fp32_scale: bool) -> Value:
    """`LlamaRMSNorm.forward` (transformers/models/llama/modeling_llama.py): in fp32, operation by operation.

    `fp32_scale`: the result is cast after the learned scale, not before it (`GemmaRMSNorm`, `Olmo2RMSNorm`).
    """
    wide = program.cast(value, FP32)
    square = power(program, wide)
    mean = program.record((square,), Value(rows, FP32), (), gradient(0))
    scale = Value(rows, FP32)
    program.record((mean,), scale, (scale,), gradient(0))
    normal = program.broadcast_multiply(wide, scale)
    if fp32_scale:
        return program.cast(program.broadcast_multiply(normal, weight), value.width)
    return program.broadcast_multiply(program.cast(normal, value.width), weight)


def power(program: Program, value: Value) -> Value:
    """`x.pow(n)`; its backward is `grad * (n * x.pow(n - 1))` (FunctionsManual.cpp, `pow_backward`)."""
    size = value.size
    steps = (Step("allocate", size), Step("allocate", size), gradient(0))
    return program.record((value,), Value(value.elements, value.width), (value,), *steps)


def layer_norm(program: Program, value: Value, rows: Form, weights: tuple[Value, ...], fp32: bool) -> Value:
    """`native_layer_norm`: input, mean and deviation are kept; autocast runs it in fp32."""
    operand = program.cast(value, FP32) if fp32 else value
    statistics = Value(rows * 2, operand.width)
    steps = [gradient(index) for index in range(1 + len(weights))]
    return program.record((operand, *weights), Value(operand.elements, operand.width), (operand, statistics), *steps)


def written_out_layer_norm(program: Program, value: Value, rows: Form, weight: Value) -> Value:
    """`CohereLayerNorm.forward` (transformers/models/cohere/modeling_cohere.py): in fp32, the mean taken away twice."""
    wide = program.cast(value, FP32)
    mean = program.record((wide,), Value(rows, FP32), (), gradient(0))
    square = power(program, _centred(program, wide, mean))
    variance = program.record((square,), Value(rows, FP32), (), gradient(0))
    scale = Value(rows, FP32)
    program.record((variance,), scale, (scale,), gradient(0))
    normal = program.broadcast_multiply(_centred(program, wide, mean), scale)
    return program.cast(program.broadcast_multiply(normal, weight), value.width)


def _centred(program: Program, value: Value, mean: Value) -> Value:
    """`x - mean`: the mean's gradient is the negated gradient, summed."""
    steps = (passed(0), Step("allocate", value.size), gradient(1))
    return program.record((value, mean), Value(value.elements, FP32), (), *steps)
