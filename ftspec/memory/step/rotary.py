"""Rotary positions: how heads are turned."""

from ftspec.catalog.shape import ModelShape
from ftspec.memory.step.code import LayerCode
from ftspec.memory.step.form import Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, Program, gradient, passed
from ftspec.memory.step.projections import cut
from ftspec.memory.step.tape import Step, Value


def rotary_width(shape: ModelShape) -> int:
    """Features of a head that turn."""
    if shape.mla is not None:
        return shape.mla.qk_rope_head_dim
    return round(shape.head_dim * shape.partial_rotary_factor)


def rotate(builder: Builder, query: Value, key: Value) -> tuple[Value, Value]:
    """Queries and keys, turned as the model's class does it."""
    own = builder.code.own_rotary_tables
    tables = (Value(Form(position=2 * rotary_width(builder.setting.shape)), own),) if own else ()
    return _rotated(builder, query, tables), _rotated(builder, key, tables)


def _rotated(builder: Builder, value: Value, tables: tuple[Value, ...]) -> Value:
    shape, code = builder.setting.shape, builder.code
    if code.rotary == "plain":
        return turned(builder, value, builder.setting.residual, code, tables)
    kept = rotary_width(shape)
    part = value.elements * kept // shape.head_dim
    turning, still = cut(builder, value, part), cut(builder, value, value.elements - part)
    moved = turned(builder, turning, builder.setting.residual, code, tables)
    width = max(moved.width, still.width)
    return builder.record((moved, still), Value(value.elements, width), (), passed(0), passed(1))


def turned(
    program: Program, value: Value, position_width: int, code: LayerCode, tables: tuple[Value, ...] = ()
) -> Value:
    """`apply_rotary_pos_emb`: `x * cos + rotate_half(x) * sin`; only cos and sin are kept, once for the model or as the
    layer's own `tables`.
    """
    narrow = value.width
    value = program.cast(value, FP32) if code.rotary_fp32 else value
    straight = _rotary_factor(program, value, position_width, tables)
    size = value.size
    half, steps = size // 2, []
    steps += [
        Step("allocate", half),
        Step("allocate", size),
        Step("drop", half),
        Step("allocate", size),
        Step("release"),
    ]
    steps += [gradient(0), Step("drop", size * 2)]
    half_turned = program.record((value,), Value(value.elements, value.width), (), *steps)
    result = program.add(straight, _rotary_factor(program, half_turned, position_width))
    return program.cast(result, narrow) if code.rotary_fp32 else result


def _rotary_factor(program: Program, value: Value, position_width: int, tables: tuple[Value, ...] = ()) -> Value:
    width = max(value.width, position_width)
    wide = value.elements * width
    steps = (gradient(0),) if width == value.width else (Step("allocate", wide), gradient(0))
    return program.record((value,), Value(value.elements, width), tables, *steps)
