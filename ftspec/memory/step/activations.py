"""Activation functions and dropout as the model's code has them."""

from ftspec.catalog.shape import ModelShape
from ftspec.memory.step.code import code_of
from ftspec.memory.step.norms import power
from ftspec.memory.step.operations import Program, gradient, passed
from ftspec.memory.step.tape import Value


def activation(program: Program, shape: ModelShape, value: Value) -> Value:
    """The plain MLP's activation: one kernel, or a gelu that is written out."""
    if shape.hidden_act == "gelu_new" or (not shape.model_type and code_of(shape).attention_dropout):
        return _written_out_gelu(program, value)
    if shape.hidden_act == "relu":
        return _kept_output(program, value)
    if shape.hidden_act == "relu2":
        return power(program, _kept_output(program, value))
    return program.pointwise(value)


def dropped(program: Program, shape: ModelShape, value: Value) -> Value:
    """Dropout before a residual sum, where the model has it."""
    return program.dropout(value) if code_of(shape).dropout else value


def _kept_output(program: Program, value: Value) -> Value:
    """`relu` keeps its output."""
    output = Value(value.elements, value.width)
    return program.record((value,), output, (output,), gradient(0))


def _written_out_gelu(program: Program, value: Value) -> Value:
    """`NewGELUActivation` (transformers/activations.py): `0.5 * x * (1 + tanh(c * (x + 0.044715 * x**3)))`."""
    half = program.scale(value)
    cubic = program.scale(program.add(value, program.scale(power(program, value))))
    tanh = program.softmax(cubic)
    shifted = program.record((tanh,), Value(tanh.elements, tanh.width), (), passed(0))
    return program.multiply(half, shifted)
