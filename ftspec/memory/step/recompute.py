"""What a layer keeps where some of its modules are recomputed (`--recompute-modules`)."""

from ftspec.memory.step.form import ZERO, Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.tape import Node, Value

WITHOUT_OUTPUT = frozenset({"layernorm", "moe_act", "mla_up_proj"})
"""Modules whose output is made again too, for those who keep it (megatron/core/tensor_parallel/random.py,
`CheckpointWithoutOutput`). Of the others the output stays (`CheckpointFunction`)."""


def kept_beside(builder: Builder, modules: frozenset[str]) -> Form:
    """Bytes kept of a layer of which `modules` are recomputed: their inputs, and what everything else saves."""
    again = [part for part in builder.parts if part[0] in modules]
    inside = {index for _, start, end in again for index in range(start, end)}
    kept: dict[Value, None] = {}
    for index, node in enumerate(builder.nodes):
        if index not in inside:
            kept.update(dict.fromkeys(value.storage for value in node.saved))
    for name, start, end in again:
        nodes = builder.nodes[start:end]
        made = {value.storage for node in nodes for value in (node.output, *node.others)}
        if name in WITHOUT_OUTPUT:
            for value in made & kept.keys():
                del kept[value]
        kept.update(dict.fromkeys(_inputs(nodes, made)))
    total = ZERO
    for value in kept:
        total = total + value.size if value.role == "activation" else total
    return total


def _inputs(nodes: list[Node], made: set[Value]) -> list[Value]:
    return [value.storage for node in nodes for value in node.inputs if value.storage not in made]
