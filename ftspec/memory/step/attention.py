"""Attention kernels: what is kept of queries, keys, values and scores."""

from ftspec.core.record import record
from ftspec.memory.step.form import Form
from ftspec.memory.step.operations import FP32, INDEX, Program, gradient, passed
from ftspec.memory.step.tape import Step, Value


@record
class Heads:
    """Heads of one rank: of queries, of keys and values, and their widths."""

    query: int
    key: int
    key_width: int
    value_width: int


def repeat_heads(program: Program, value: Value, times: int, single: bool) -> Value:
    """`repeat_kv`: a copy for each query head, of a single head a view; its backward sums them."""
    if times == 1:
        return value
    view_of = value if single else None
    return program.record((value,), Value(value.elements * times, value.width, view_of=view_of), (), gradient(0))


def sdpa(
    program: Program, query: Value, key: Value, value: Value, rows: Form, heads: Heads, mask: Form | None
) -> Value:
    """`scaled_dot_product_attention` with a mask, flash kernel: keeps its inputs, its output, the log-sum-exp, and the
    mask as numbers (transformers/integrations/sdpa_attention.py; aten `_scaled_dot_product_flash_attention`).
    """
    inputs = tuple(program.cast(each, program.compute) for each in (query, key, value))
    output = Value(rows * (heads.query * heads.value_width), program.compute)
    saved = (*inputs, output, Value(rows * heads.query, FP32))
    saved = saved if mask is None else (*saved, Value(mask, program.compute))
    return program.record(inputs, output, saved, gradient(0), gradient(1), gradient(2))


def flash(program: Program, query: Value, key: Value, value: Value, rows: Form, heads: Heads) -> Value:
    """FlashAttention-2 (flash_attn/csrc/flash_api.cpp, `mha_bwd`): keeps inputs, output and the log-sum-exp; the
    backward accumulates dq in fp32, has one number a row and head, and one dk and dv a query head.
    """
    inputs = tuple(program.cast(each, program.compute) for each in (query, key, value))
    output = Value(rows * (heads.query * heads.value_width), program.compute)
    saved = (*inputs, output, Value(rows * heads.query, FP32))
    steps = (gradient(0), gradient(1), gradient(2), *flash_work(program, rows, heads))
    return program.record(inputs, output, saved, *steps)


def flash_work(program: Program, rows: Form, heads: Heads, keys: Form | None = None) -> tuple[Step, ...]:
    """What FlashAttention-2's backward works in, for so many rows of queries and of keys."""
    sums = Step("allocate", rows * (heads.query * heads.key_width * FP32) + rows * (heads.query * FP32))
    if heads.query == heads.key:
        return (sums,)
    spread = heads.query * (heads.key_width + heads.value_width) * program.compute
    return (sums, Step("allocate", (rows if keys is None else keys) * spread))


def _product(program: Program, left: Value, right: Value, elements: Form, width: int, spread: Form | None) -> Value:
    """`matmul` of each head; a `right` that all heads share is `spread` over them first. Heads and sequences become one
    dimension, which copies what is cut out of a larger tensor or spread, unless there is one sequence (`expand` and
    `reshape` in aten/src/ATen/native/LinearAlgebra.cpp, `_matmul_impl`).
    """
    first, second = program.cast(left, width), program.cast(right, width)
    if spread is not None:
        view_of = None if program.several else second
        second = program.record((second,), Value(spread, width, view_of=view_of), (), gradient(0))
    if program.several:
        first, second = _laid_out(program, first), _laid_out(program, second)
    return program.record((first, second), Value(elements, width), (first, second), gradient(1), gradient(0))


def _laid_out(program: Program, value: Value) -> Value:
    """A view of scores lies head by head in any case."""
    return value if value.storage is value or value.elements.pair else program.contiguous(value)


def _spread(value: Value, rows: Form, heads: int, width: int) -> Form | None:
    whole = rows * (heads * width)
    return None if value.elements.token == whole.token else whole


def math_sdpa(program: Program, query: Value, key: Value, value: Value, rows: Form, heads: Heads, drops: bool) -> Value:
    """`scaled_dot_product_attention` where the CPU has no fused kernel (dropout, values of another width, keys that all
    heads share): everything in fp32 (aten/src/ATen/native/transformers/attention.cpp,
    `_scaled_dot_product_attention_math`). A GPU has one for each of them, which keeps what `flash` does
    (aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, `select_sdp_backend`).
    """
    pairs = Form(pair=heads.query)
    wide = [program.cast(program.cast(each, program.compute), FP32) for each in (query, key, value)]
    shared = [
        _spread(each, rows, heads.query, width) for each, width in ((key, heads.key_width), (value, heads.value_width))
    ]
    scores = _product(program, program.scale(wide[0]), program.scale(wide[1]), pairs, FP32, shared[0])
    probabilities = program.softmax(scores)
    probabilities = program.dropout(probabilities) if drops else probabilities
    output = _product(program, probabilities, wide[2], rows * (heads.query * heads.value_width), FP32, shared[1])
    return program.contiguous(program.cast(output, program.compute))


@record
class EagerSettings:
    """How a model writes attention out: the mask's width, the widths of scores and of what becomes of probabilities, a
    cap, dropout, and a learned logit a head that takes a share of the probabilities.
    """

    mask_width: int
    score_width: int
    probability_width: int
    softmax_in_fp32: bool
    dropout: bool
    cap: bool = False
    sinks: bool = False


def eager(
    program: Program, query: Value, key: Value, value: Value, rows: Form, heads: Heads, how: EagerSettings
) -> Value:
    """`eager_attention_forward`: scores of every pair of positions; kept are the probabilities and their cast."""
    pairs = Form(pair=heads.query)
    spread = [_spread(each, rows, heads.query, wide) for each, wide in _widths(key, value, heads)]
    scores = program.scale(_product(program, query, key, pairs, how.score_width, spread[0]))
    scores = capped(program, scores) if how.cap else scores
    masked = program.add(scores, Value(pairs, how.mask_width, "constant", needs_gradient=False))
    masked = program.cast(masked, FP32) if how.softmax_in_fp32 else masked
    probabilities = _with_sinks(program, masked, rows, heads) if how.sinks else program.softmax(masked)
    probabilities = program.cast(probabilities, how.probability_width)
    if how.dropout:
        probabilities = program.dropout(probabilities)
    output = _product(
        program, probabilities, value, rows * (heads.query * heads.value_width), program.compute, spread[1]
    )
    return program.contiguous(output)


def _widths(key: Value, value: Value, heads: Heads) -> tuple[tuple[Value, int], tuple[Value, int]]:
    return (key, heads.key_width), (value, heads.value_width)


def capped(program: Program, scores: Value) -> Value:
    """`tanh(scores / cap) * cap` (transformers/models/gemma2/modeling_gemma2.py): tanh keeps its output."""
    return program.scale(program.softmax(program.scale(scores)))


def _with_sinks(program: Program, scores: Value, rows: Form, heads: Heads) -> Value:
    """`eager_attention_forward` of GPT-OSS (transformers/models/gpt_oss/modeling_gpt_oss.py): the sinks are joined on
    as a column, the largest logit is taken away, and the column is cut off behind the softmax.
    """
    joined = Value(scores.elements + rows * heads.query, scores.width)
    program.record((scores,), joined, (), passed(0))
    largest = Value(rows * heads.query, scores.width)
    steps = (Step("allocate", joined.size), gradient(0))
    program.record((joined,), largest, (Value(rows * heads.query, INDEX),), *steps)
    lowered = program.record((joined, largest), Value(joined.elements, joined.width), (), passed(0), gradient(1))
    probabilities = program.softmax(lowered)
    return program.record(
        (probabilities,), Value(scores.elements, scores.width, view_of=probabilities), (), gradient(0)
    )
