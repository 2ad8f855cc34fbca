"""Spans: lines and columns from 1, in characters, end exclusive."""

from ftspec.core.source import Span
from ftspec.syntax.tree import Assert, Assignment, Binary, Block
from tests.syntax.shape import tree_of


def cut(text: str, span: Span) -> str:
    """What stands at a span."""
    lines = text.split("\n")[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


def nodes_in(node: object) -> list[tuple[object, ...]]:
    """A node and all below it that have a place."""
    if not isinstance(node, tuple) or isinstance(node, Span):
        return []
    own = [node] if hasattr(node, "span") else []
    return own + [inner for part in node for inner in nodes_in(part)]


TEXT = """ft 1
name = "ünï"  size = 2 * (a + 4Ki)
hardware {
  network = { bandwidth = 50GB/s }
  list = [1, "two",
          three.four]
}
assert not a < -1, "why"
variant "v" { x { y = if a then f(b, 1) else lora { r = 2 } } }
"""


def test_every_node_is_cut_out_by_its_span() -> None:
    wanted = [
        '"ünï"', "2 * (a + 4Ki)", "(a + 4Ki)", "4Ki", "{ bandwidth = 50GB/s }", "50GB/s", "bandwidth",
        '[1, "two",\n          three.four]', "three.four", "not a < -1", "-1", '"why"', 'assert not a < -1, "why"',
        "if a then f(b, 1) else lora { r = 2 }", "f(b, 1)", "lora { r = 2 }",
        "y = if a then f(b, 1) else lora { r = 2 }",
        "network = { bandwidth = 50GB/s }", 'import "x.ft"', "let l = true", "target t { }",
    ]  # fmt: skip
    text = TEXT + 'import "x.ft" let l = true target t { }'
    cuts = {cut(text, node.span) for node in nodes_in(tree_of(text))}
    assert not set(wanted) - cuts


def test_children_lie_within_their_parents() -> None:
    for node in nodes_in(tree_of(TEXT)):
        for part in node:
            for child in nodes_in(part):
                assert node.span[:2] <= child.span[:2]
                assert child.span[2:4] <= node.span[2:4]


def test_columns_count_characters_and_line_ends_do_not_matter() -> None:
    first = tree_of('ft 1\r\n  a = "🙂é" b = 1\r\nc { d = 2 }\r\n')
    a, b, block = first.statements
    assert isinstance(a, Assignment)
    assert isinstance(b, Assignment)
    assert isinstance(block, Block)
    assert a.value.span == Span(2, 7, 2, 11)
    assert b.span == Span(2, 12, 2, 17)
    assert block.name.span == Span(3, 1, 3, 2)


def test_the_span_of_brackets_belongs_to_what_they_hold() -> None:
    (assertion,) = tree_of("ft 1 assert (a + b) * c == 1").statements
    assert isinstance(assertion, Assert)
    assert isinstance(assertion.condition, Binary)
    assert assertion.condition.left.span == Span(1, 13, 1, 24)
