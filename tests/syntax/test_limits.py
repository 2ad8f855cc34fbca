"""Nothing in a text is too deep, too long or too odd: no fault of ours, one finding, and a tree that can be walked."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.syntax.codes import MAXIMUM_DEPTH
from ftspec.syntax.parser import parse, parse_partial

DEEP = 10_000
NESTED = {
    "blocks": "a {" * DEEP + "}" * DEEP,
    "open blocks": "a {" * DEEP,
    "values": "a = {" * DEEP + "}" * DEEP,
    "tagged values": "a = b {" * DEEP,
    "lists": "a = " + "[" * DEEP + "]" * DEEP,
    "parentheses": "a = " + "(" * DEEP + "1" + ")" * DEEP,
    "calls": "a = " + "f(" * DEEP + "1" + ")" * DEEP,
    "minus": "a = " + "- " * DEEP + "1",
    "not": "a = " + "not " * DEEP + "b",
    "if in else": "a = " + "if b then c else " * DEEP + "d",
    "if in then": "a = " + "if b then " * DEEP + "c" + " else d" * DEEP,
    "sum": "a = " + "+".join("1" * 10 * DEEP),
    "product": "a = " + "*".join("1" * 10 * DEEP),
    "and": "a = " + " and ".join("b" * DEEP),
    "or": "a = " + " or ".join("b" * DEEP),
    "all": "a = " + "(1 + [- f(not " * DEEP,
}


@pytest.mark.parametrize("name", NESTED)
def test_nesting_is_bounded_with_one_finding(name: str) -> None:
    tree, findings = parse(f"ft 1 {NESTED[name]}")
    assert tree is None
    assert [finding.code for finding in findings] == ["FT019"]


@pytest.mark.parametrize(
    "text",
    [
        "a {" * 99 + "}" * 99,
        "a = " + "[" * 98 + "]" * 98,
        "a = " + "+".join("1" * 98),
        "a = " + "- " * 97 + "1",
        "a = {" * 49 + "}" * 49,
    ],
)
def test_what_is_within_the_bound_is_read(text: str) -> None:
    tree, findings = parse(f"ft 1 {text}")
    assert findings == []
    assert tree is not None


def height(node: object) -> int:
    """The height of a tree of nodes."""
    if isinstance(node, tuple):
        return hasattr(node, "_fields") + max((height(part) for part in node), default=0)
    return 0


OPENINGS = [
    "a {",
    "a = {",
    "a = b {",
    "[",
    "(",
    "f(",
    "- ",
    "not ",
    "if b then c else ",
    "1 +",
    "1 *",
    "b and ",
    "a = ",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(OPENINGS), min_size=1, max_size=6), st.integers(1, 60))
def test_no_tree_is_higher_than_the_bound(words: list[str], times: int) -> None:
    tree, findings = parse_partial("ft 1 a = " + "".join(words) * times + "1")
    assert tree is None or height(tree) <= MAXIMUM_DEPTH + 3
    assert tree is None or sys.getrecursionlimit() > 3 * height(tree)
    assert findings or tree


@pytest.mark.parametrize(
    "number", ["1e999", "1e-999", "9" * 100_000, "0." + "0" * 100_000, "1" + "e9" * 1, "9" * 5000 + "GiB"]
)
def test_numbers_are_kept_as_written(number: str) -> None:
    tree, findings = parse(f"ft 1 a = {number}")
    assert findings == []
    assert tree is not None
    literal = tree.statements[0].value  # type: ignore[union-attr]
    assert literal.digits + literal.unit == number


def check(text: str) -> None:
    """Whatever the text: a tree or findings, each finding inside the text with something to do about it."""
    tree, findings = parse_partial(text)
    assert tree is not None or findings
    lines = text.split("\n")
    for finding in findings:
        line, column, end_line, end_column = finding.span[:4]
        assert 1 <= line <= end_line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1
        assert 1 <= end_column <= len(lines[end_line - 1]) + 1
        assert finding.message
        assert finding.help


@settings(max_examples=400, deadline=None)
@given(st.text())
def test_any_text(text: str) -> None:
    check(text)
    check(f"ft 1 {text}")


PIECES = ["ft 1", "a", "b", "= ", ": ", "{", "}", "[", "]", "(", ")", ",", ".", ";", "+", "-", "*", "/", "//", "<"]
PIECES += ["==", "1", "80 GB", "4,096", '"s"', '"', "'", "“", "\\", "#", "\n", " ", "let ", "target ", "variant "]
PIECES += ["assert ", "import ", "if ", "then ", "else ", "not ", "True", "true", "and ", "é", "\u00a0", "\0"]
PIECES += ["a = 1\n", "a {\n", "}\n"]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_order_of_pieces(pieces: list[str]) -> None:
    check("".join(pieces))
    check("ft 1\n" + "".join(pieces))
