"""Activation functions and dropout as the model's code has them."""

from ftspec.catalog.shape import ModelShape
from ftspec.memory.step.norms import power
from ftspec.memory.step.operations import Program, passed
from ftspec.memory.step.tape import Value


def is_gpt2(shape: ModelShape) -> bool:
    """Whether the shape is GPT-2's: its configuration has dropout 0.1 everywhere, and its gelu is written out
    (transformers/models/gpt2/configuration_gpt2.py).
    """
    plain = shape.mlp == "plain" and shape.norm == "layernorm" and shape.attention_bias == "all"
    return plain and shape.position == "learned" and shape.extra_position_embeddings == 0


def activation(program: Program, shape: ModelShape, value: Value) -> Value:
    """The plain MLP's activation: one kernel, or a gelu that is written out."""
    written_out = shape.hidden_act == "gelu_new" or is_gpt2(shape)
    return _written_out_gelu(program, value) if written_out else program.pointwise(value)


def dropped(program: Program, shape: ModelShape, value: Value) -> Value:
    """Dropout before a residual sum, where the model has it."""
    return program.dropout(value) if is_gpt2(shape) else value


def _written_out_gelu(program: Program, value: Value) -> Value:
    """`NewGELUActivation` (transformers/activations.py): `0.5 * x * (1 + tanh(c * (x + 0.044715 * x**3)))`."""
    half = program.scale(value)
    cubic = program.scale(program.add(value, program.scale(power(program, value))))
    tanh = program.softmax(cubic)
    shifted = program.record((tanh,), Value(tanh.elements, tanh.width), (), passed(0))
    return program.multiply(half, shifted)
