"""Decoder layers and ends as transformers runs them (models/llama/modeling_llama.py and its like)."""

from typing import Literal, NamedTuple

from ftspec.catalog.shape import ModelShape
from ftspec.memory.step.attention import EagerSettings, Heads, eager, flash, math_sdpa, repeat_heads, rotate, sdpa
from ftspec.memory.step.form import ZERO, Form
from ftspec.memory.step.norms import layer_norm, power, rms_norm
from ftspec.memory.step.operations import FP32, Program, gradient, passed
from ftspec.memory.step.tape import Value


class Setting(NamedTuple):
    """What decides the operations of a layer on one rank: widths in bytes, the attention kernel, the tensor degree."""

    shape: ModelShape
    compute: int
    parameters: int
    attention: Literal["flash", "sdpa", "eager"]
    tensor: int

    @property
    def residual(self) -> int:
        """Width of the residual stream: that of the embedding's output."""
        return self.parameters

    @property
    def autocast(self) -> bool:
        """Whether weights are cast for each product."""
        return self.parameters != self.compute


ROWS = Form(token=1)


def _weight(setting: Setting, elements: int) -> Value:
    return Value(Form(elements), setting.parameters, "weight", trained=True)


def norm(program: Program, setting: Setting, value: Value, width: int, rows: Form = ROWS) -> Value:
    """The model's norm over `width` features in each of `rows` rows."""
    kind = setting.shape.norm
    if kind == "rmsnorm":
        return rms_norm(program, value, rows, _weight(setting, width))
    vectors = {"layernorm": 2, "layernorm_nobias": 1, "none": 0}[kind]
    weights = tuple(_weight(setting, width) for _ in range(vectors))
    return layer_norm(program, value, rows, weights, setting.autocast)


def linear(program: Program, setting: Setting, value: Value, inputs: int, outputs: int, bias: bool = False) -> Value:
    """A projection with its own weight."""
    return program.linear(
        value, ROWS, _weight(setting, inputs * outputs), outputs, _weight(setting, outputs) if bias else None
    )


def _heads(setting: Setting) -> Heads:
    shape = setting.shape
    query = -(-shape.num_attention_heads // setting.tensor)
    return Heads(query, max(1, shape.num_key_value_heads // setting.tensor), shape.head_dim, shape.head_dim)


def attention(program: Program, setting: Setting, value: Value) -> Value:
    """`LlamaAttention.forward`, with biases and query and key norms where the model has them."""
    shape, heads, hidden = setting.shape, _heads(setting), setting.shape.hidden_size
    inner_bias = shape.attention_bias in ("all", "qkv_only")
    query = linear(program, setting, value, hidden, heads.query * heads.key_width, inner_bias)
    query = program.view(_head_norm(program, setting, query, heads.query))
    key = linear(program, setting, value, hidden, heads.key * heads.key_width, inner_bias)
    key = program.view(_head_norm(program, setting, key, heads.key))
    values = program.view(linear(program, setting, value, hidden, heads.key * heads.value_width, inner_bias))
    if shape.position == "rope":
        query = rotate(program, query, setting.residual)
        key = rotate(program, key, setting.residual)
    mixed = _mix(program, setting, query, key, values, heads)
    outer_bias = shape.attention_bias in ("all", "out_only")
    return linear(program, setting, mixed, heads.query * heads.value_width, hidden, outer_bias)


def _head_norm(program: Program, setting: Setting, value: Value, heads: int) -> Value:
    if not setting.shape.qk_norm:
        return value
    return norm(program, setting, value, setting.shape.head_dim, ROWS * heads)


def _mix(program: Program, setting: Setting, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    if setting.attention == "flash":
        return flash(program, query, key, value, ROWS, heads)
    times = heads.query // heads.key
    key, value = repeat_heads(program, key, times), repeat_heads(program, value, times)
    dropout = is_gpt2(setting.shape)
    if setting.attention == "sdpa":
        if dropout:
            return math_sdpa(program, query, key, value, ROWS, heads)
        return sdpa(program, query, key, value, ROWS, heads, Form(pair=1))
    how = EagerSettings(setting.residual, softmax_in_fp32=not dropout, dropout=dropout)
    return eager(program, query, key, value, ROWS, heads, how)


def is_gpt2(shape: ModelShape) -> bool:
    """Whether the shape is GPT-2's: its configuration has dropout 0.1 everywhere, and its gelu is written out
    (transformers/models/gpt2/configuration_gpt2.py).
    """
    plain = shape.mlp == "plain" and shape.norm == "layernorm" and shape.attention_bias == "all"
    return plain and shape.position == "learned" and shape.extra_position_embeddings == 0


def _written_out_gelu(program: Program, value: Value) -> Value:
    """`NewGELUActivation` (transformers/activations.py): `0.5 * x * (1 + tanh(c * (x + 0.044715 * x**3)))`."""
    half = program.scale(value)
    cubic = program.scale(program.add(value, program.scale(power(program, value))))
    tanh = program.softmax(cubic)
    shifted = program.record((tanh,), Value(tanh.elements, tanh.width), (), passed(0))
    return program.multiply(half, shifted)


def _activation(program: Program, setting: Setting, value: Value) -> Value:
    return _written_out_gelu(program, value) if is_gpt2(setting.shape) else program.pointwise(value)


def _dropped(program: Program, setting: Setting, value: Value) -> Value:
    return program.dropout(value) if is_gpt2(setting.shape) else value


def mlp(program: Program, setting: Setting, value: Value, width: int) -> Value:
    """`LlamaMLP.forward`, or the plain MLP of older models."""
    hidden, bias = setting.shape.hidden_size, setting.shape.mlp_bias
    width = -(-width // setting.tensor)
    if setting.shape.mlp == "gated":
        gate = program.pointwise(linear(program, setting, value, hidden, width, bias))
        inner = program.multiply(gate, linear(program, setting, value, hidden, width, bias))
    else:
        inner = _activation(program, setting, linear(program, setting, value, hidden, width, bias))
    return linear(program, setting, inner, width, hidden, bias)


def layer(setting: Setting) -> tuple[Program, Value]:
    """A dense decoder layer: its tape and its output."""
    program, shape = Program(setting.compute), setting.shape
    value = Value(ROWS * shape.hidden_size, setting.residual)
    mixed = attention(program, setting, norm(program, setting, value, shape.hidden_size))
    value = program.add(value, _dropped(program, setting, mixed))
    inner = mlp(program, setting, norm(program, setting, value, shape.hidden_size), shape.intermediate_size)
    return program, program.add(value, _dropped(program, setting, inner))


def head(setting: Setting, vocabulary: int) -> tuple[Program, Value]:
    """Final norm, output head and `ForCausalLMLoss` (transformers/loss/loss_utils.py): logits in fp32, log-softmax kept."""
    program, hidden = Program(setting.compute), setting.shape.hidden_size
    value = Value(ROWS * hidden, setting.residual)
    value = norm(program, setting, value, hidden) if setting.shape.final_norm else value
    logits = linear(program, setting, value, hidden, vocabulary)
    wide = program.cast(logits, FP32)
    wide.role = "logits"
    probabilities = program.softmax(wide)
    loss = Value(ZERO, FP32)
    return program, program.record((probabilities,), loss, (), gradient(0))
