"""Queries, keys and values from the residual stream, as the model's class makes them."""

from ftspec.memory.step.attention import Heads
from ftspec.memory.step.code import code_of
from ftspec.memory.step.form import Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import INDEX, Program, gradient
from ftspec.memory.step.tape import Step, Value

Projected = tuple[Value, Value, Value]


def projections(builder: Builder, value: Value, heads: Heads) -> Projected:
    """Queries, keys and values, transposed."""
    code = code_of(builder.setting.shape)
    if code.projections == "separate":
        return _separate(builder, value, heads)
    parts = tuple(builder.rows * width for width in _widths(heads))
    shape = builder.setting.shape
    bias = shape.attention_bias in ("all", "qkv_only")
    joined = builder.linear("qkv_proj", value, shape.hidden_size, sum(_widths(heads)), bias)
    if code.projections == "falcon":
        return _falcon(builder, joined, parts, heads)
    if code.projections == "slices":
        query, key, values = (cut(builder, joined, part) for part in parts)
    else:
        joined = builder.view(joined) if code.projections == "heads" else joined
        query, key, values = builder.split(joined, parts)
        if code.projections == "heads":
            return query, key, values
    return builder.view(query), builder.view(key), builder.view(values)


def _widths(heads: Heads) -> tuple[int, int, int]:
    return heads.query * heads.key_width, heads.key * heads.key_width, heads.key * heads.value_width


def _separate(builder: Builder, value: Value, heads: Heads) -> Projected:
    """`LlamaAttention.forward`, with biases and query and key norms where the model has them."""
    shape, hidden = builder.setting.shape, builder.setting.shape.hidden_size
    bias, widths = shape.attention_bias in ("all", "qkv_only"), _widths(heads)
    query = builder.linear("q_proj", value, hidden, widths[0], bias)
    query = builder.scale(query) if code_of(shape).scaled_query else query
    query = builder.view(_head_norm(builder, query, heads.query))
    key = builder.linear("k_proj", value, hidden, widths[1], bias)
    key = builder.view(_head_norm(builder, key, heads.key))
    return query, key, builder.view(builder.linear("v_proj", value, hidden, widths[2], bias))


def _head_norm(builder: Builder, value: Value, heads: int) -> Value:
    shape = builder.setting.shape
    if not shape.qk_norm:
        return value
    if shape.qk_norm_width == "head":
        return builder.norm(value, shape.head_dim, builder.rows * heads)
    return builder.norm(value, shape.head_dim * heads, builder.rows)


def cut(program: Program, value: Value, part: Form) -> Value:
    """`x[..., a:b]`: a view, whose backward puts the gradient into zeros of the whole size (`slice_backward`)."""
    return program.record((value,), Value(part, value.width, view_of=value), (), gradient(0))


def _picked(builder: Builder, joined: Value, part: Form) -> Value:
    """`x[..., [i]]`: a copy of one head, whose backward puts it into zeros (`index_put_`)."""
    kept = Value(Form(1), INDEX)
    return builder.record((joined,), Value(part, joined.width), (kept,), Step("allocate", joined.size), gradient(0))


def _falcon(builder: Builder, joined: Value, parts: tuple[Form, ...], heads: Heads) -> Projected:
    """`FalconAttention._split_heads` (transformers/models/falcon/modeling_falcon.py): queries are cut out of each group
    of heads, the group's key and value are copied, and where there are several groups spread over its queries.
    """
    query, key, value = (
        cut(builder, joined, parts[0]),
        _picked(builder, joined, parts[1]),
        _picked(builder, joined, parts[2]),
    )
    if heads.key == 1:
        return builder.view(query), builder.view(key), builder.view(value)
    return tuple(builder.view(_flattened(builder, each, parts[0])) for each in (query, key, value))  # type: ignore[return-value]


def _flattened(builder: Builder, value: Value, elements: Form) -> Value:
    return builder.record((value,), Value(elements, value.width), (), gradient(0))
