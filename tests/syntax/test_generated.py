"""Specs made at random: what is written out of a tree is read back as that tree."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.core.source import Span
from ftspec.syntax import tree
from ftspec.syntax.table import load_table
from tests.syntax.shape import shape, tree_of

NOWHERE = Span(0, 0, 0, 0)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

words = st.text(_LETTERS, min_size=1, max_size=8).filter(
    lambda word: word not in load_table().keywords and word.lower() not in {"true", "false"}
)
names = words.map(lambda word: tree.Name(word, NOWHERE))
numbers = st.builds(
    lambda digits, unit: tree.NumberLiteral(digits, unit, NOWHERE),
    st.one_of(st.integers(0, 10**30).map(str), st.floats(0, 1e9, allow_subnormal=False).map(repr)),
    st.sampled_from(["", "GB", "GiB", "Gbps", "GB/s", "k", "Ki", "B", "h", "min"]),
)
strings = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12).map(
    lambda value: tree.StringLiteral(value, NOWHERE)
)
leaves = st.one_of(
    numbers,
    strings,
    st.booleans().map(lambda value: tree.BooleanLiteral(value, NOWHERE)),
    st.lists(words, min_size=1, max_size=3).map(lambda parts: tree.Reference(tuple(parts), NOWHERE)),
)
OPERATORS = ["or", "and", "<", "<=", ">", ">=", "==", "!=", "+", "-", "*", "/", "%"]


def _bodies(values: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tuple[tree.Statement, ...]]:
    assignments = st.builds(lambda key, value: tree.Assignment(key, value, NOWHERE), names, values)
    blocks = st.builds(
        lambda name, body: tree.Block(name, tuple(body), NOWHERE), names, st.lists(assignments, max_size=2)
    )
    return st.lists(st.one_of(assignments, blocks), max_size=3).map(tuple)


def _compound(inner: st.SearchStrategy[tree.Expression]) -> st.SearchStrategy[tree.Expression]:
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda items: tree.ListExpression(tuple(items), NOWHERE)),
        st.builds(lambda tag, body: tree.Tagged(tag, body, NOWHERE), st.none() | names, _bodies(inner)),
        st.builds(
            lambda operator, operand: tree.Unary(operator, operand, NOWHERE), st.sampled_from(["-", "not"]), inner
        ),
        st.builds(lambda *parts: tree.Binary(*parts, NOWHERE), st.sampled_from(OPERATORS), inner, inner),
        st.builds(lambda *parts: tree.Conditional(*parts, NOWHERE), inner, inner, inner),
        st.builds(lambda name, items: tree.Call(name, tuple(items), NOWHERE), names, st.lists(inner, max_size=3)),
    )


values = st.recursive(leaves, _compound, max_leaves=12)
bodies = _bodies(values)
statements = st.one_of(
    bodies.filter(len).map(lambda body: body[0]),
    st.builds(lambda name, value: tree.Let(name, value, NOWHERE), names, values),
    strings.map(lambda path: tree.Import(path, NOWHERE)),
    st.builds(lambda name, body: tree.Target(name, body, NOWHERE), names, bodies),
    st.builds(lambda name, body: tree.Variant(name, body, NOWHERE), strings, bodies),
    st.builds(lambda condition, message: tree.Assert(condition, message, NOWHERE), values, st.none() | strings),
)
specs = st.lists(statements, max_size=5).map(
    lambda parts: tree.SpecTree(tree.NumberLiteral("1", "", NOWHERE), tuple(parts))
)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _body(parts: tuple[tree.Statement, ...]) -> str:
    return "{" + " ".join(map(written, parts)) + "}"


def written(node: object) -> str:
    """A node as text, with every operation in parentheses."""
    match node:
        case tree.SpecTree(_, parts):
            return "\n".join(["ft 1", *map(written, parts)])
        case tree.Name(text):
            return text
        case tree.NumberLiteral(digits, unit):
            return digits + unit
        case tree.StringLiteral(value):
            return _quoted(value)
        case tree.BooleanLiteral(value):
            return "true" if value else "false"
        case tree.Reference(parts):
            return ".".join(parts)
        case tree.ListExpression(items):
            return f"[{', '.join(map(written, items))}]"
        case tree.Tagged(tag, body):
            return (tag.text if tag else "") + _body(body)
        case tree.Unary(operator, operand):
            return f"({operator} {written(operand)})"
        case tree.Binary(operator, left, right):
            return f"({written(left)} {operator} {written(right)})"
        case tree.Conditional(condition, then, otherwise):
            return f"(if ({written(condition)}) then {written(then)} else {written(otherwise)})"
        case tree.Call(function, arguments):
            return f"{function.text}({', '.join(map(written, arguments))})"
        case tree.Assignment(key, value):
            return f"{key.text} = {written(value)}"
        case tree.Block(name, body):
            return f"{name.text} {_body(body)}"
        case tree.Let(name, value):
            return f"let {name.text} = {written(value)}"
        case tree.Import(path):
            return f"import {written(path)}"
        case tree.Target(name, body):
            return f"target {name.text} {_body(body)}"
        case tree.Variant(name, body):
            return f"variant {written(name)} {_body(body)}"
        case tree.Assert(condition, message):
            return f"assert {written(condition)}{', ' + written(message) if message else ''}"
    raise TypeError(type(node))


@settings(max_examples=200, deadline=None)
@given(specs)
def test_what_is_written_is_read_back(spec: tree.SpecTree) -> None:
    assert shape(tree_of(written(spec))) == shape(spec)


@settings(max_examples=100, deadline=None)
@given(specs, st.data())
def test_one_character_more_or_less_is_never_a_fault(spec: tree.SpecTree, data: st.DataObject) -> None:
    from tests.syntax.test_limits import check

    text = written(spec)
    place = data.draw(st.integers(0, len(text) - 1))
    check(text[:place] + text[place + 1 :])
    check(text[:place] + text[place] + text[place:])
    check(text[:place])
