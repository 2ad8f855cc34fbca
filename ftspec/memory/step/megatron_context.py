"""Attention over a sequence that is divided over a context group, as Transformer Engine runs it.

Sources: transformer_engine/pytorch/attention/dot_product_attention/context_parallel.py. Where there is no such group
the terms of the exchange (`Form.exchanged`, `Form.gathered`) are 0 and what is left is the kernel alone.
"""

from ftspec.memory.step.attention import Heads, flash_work
from ftspec.memory.step.form import ZERO, Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, gradient, passed
from ftspec.memory.step.tape import Step, Value


def context_attention(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """The kernel's output, by the kind of exchange: a ring (`p2p`), gathered keys and values, or heads for positions
    (`a2a`).
    """
    if builder.setting.context_exchange == "all_gather":
        return _gathered(builder, query, key, value, heads)
    if builder.setting.context_exchange == "a2a":
        return _heads_for_positions(builder, query, key, value, heads)
    return _ring(builder, query, key, value, heads)


def _output(builder: Builder, heads: Heads) -> tuple[Value, Value]:
    """The output, and the log-sum-exp of each row and head."""
    rows = builder.rows
    return Value(rows * (heads.query * heads.value_width), builder.compute), Value(rows * heads.query, FP32)


def _widths(builder: Builder, heads: Heads) -> tuple[int, int, int]:
    """Bytes a token of queries, of the output, and of keys and values together."""
    pair = heads.key * (heads.key_width + heads.value_width)
    return (
        heads.query * heads.key_width * builder.compute,
        heads.query * heads.value_width * builder.compute,
        pair * builder.compute,
    )


def _ring(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """`AttnFuncWithCPAndKVP2P`: keys and values lie in one buffer, the one of the ring's last step is kept, and another
    is being received. The backward has two buffers of keys, values and their gradients, of which the one with the
    gradients is what it returns, and the gradients of the running step.
    """
    queries, _, pair = _widths(builder, heads)
    both = Value(Form(token=pair, exchanged=pair), 1)
    builder.record((key, value), both, (), passed(0), passed(1))
    kept = Value(Form(token=pair), 1)
    output, statistics = _output(builder, heads)
    steps = (
        gradient(0),
        gradient(1),
        Step("allocate", Form(exchanged=2 * pair + queries + pair)),
        *flash_work(builder, builder.rows, heads),
    )
    return builder.record((query, both), output, (query, kept, output, statistics), *steps)


def _gathered(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """`AttnFuncWithCPAndKVAllGather`: each rank has two chunks of the sequence; the later one of the first rank reads
    all keys and values. Kept are this rank's own. The backward gathers them all again, sums up gradients of all, and
    has those of the running chunk beside those of the one before; FlashAttention reads batch-first copies of chunks,
    and its gradients are laid out anew. At the end the gradients of all keys are put into the order of the ranks.
    """
    queries, outputs, pair = _widths(builder, heads)
    output, statistics = _output(builder, heads)
    halves, held, anew = Form(exchanged=queries), Form(gathered=3 * pair), ZERO
    if builder.setting.attention == "flash":
        halves += Form(mixed=queries // 2 + outputs)
        held, anew = held + Form(gathered_mixed=pair), Form(gathered_mixed=pair)
    work = flash_work(builder, builder.rows, heads, Form(token=1, exchanged=-1, gathered=1))
    steps = (
        gradient(0),
        gradient(1),
        gradient(2),
        Step("allocate", halves + held),
        *work,
        *(Step("drop", step.size) for step in work),
        Step("allocate", anew + Form(gathered=heads.key * heads.key_width * builder.compute)),
    )
    return builder.record((query, key, value), output, (query, key, value, output, statistics), *steps)


def _heads_for_positions(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """`AttnFuncWithCPAndQKVOA2A`: each rank gets the whole sequence of its part of the heads; the kernel's output is
    kept as it is, and what is passed on is another tensor. In the backward gradients are laid out anew, sent, and laid
    out anew again (`flash_attn_a2a_communicate`).
    """
    queries, outputs, pair = _widths(builder, heads)
    output, statistics = _output(builder, heads)
    work = flash_work(builder, builder.rows, heads)
    steps = (
        Step("allocate", Form(exchanged=outputs)),
        gradient(0),
        gradient(1),
        gradient(2),
        *work,
        *(Step("drop", step.size) for step in work),
        Step("allocate", Form(exchanged=2 * (queries + pair))),
    )
    return builder.record((query, key, value), output, (query, key, value, output, statistics), *steps)
