"""Totality: whatever parses has a document or findings, never an exception, and never takes long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.core.finding import Finding
from ftspec.spec.document import Document
from ftspec.spec.fields import spec_paths
from ftspec.spec.lower import lower
from ftspec.syntax.parser import parse, parse_partial

_KEYS = st.sampled_from(
    sorted({part for path in spec_paths() for part in path.split(".")} | {"x", "kind", "raw", "lr"})
)
_WORDS = st.sampled_from(["auto", "full", "lora", "bf16", "a", "b", "c", "cpu", "none", "true", "false", '"s"', '""'])
_NUMBERS = st.one_of(
    st.integers(0, 10**40).map(str),
    st.sampled_from(
        ["0", "0.5", "1e-5", "1e30", "1e-30", "1e999", "4Ki", "80GB", "10GB/s", "400Gbps", "72h", "2USD", "3xyz"]
    ),
)
_PATHS = st.sampled_from([*spec_paths(), "hardware.gpus", "a.b", "training.method.rank.x"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "/", "%", "<", "<=", "==", "!=", "and", "or"])
    body = st.lists(st.tuples(_KEYS, inner).map(" = ".join), max_size=3).map(" ".join)
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"(if {parts[0]} then {parts[1]} else {parts[2]})"),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.tuples(st.sampled_from(["min", "max", "ceil", "foo"]), inner, inner).map(
            lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"
        ),
        inner.map(lambda value: f"(-{value})"),
        inner.map(lambda value: f"(not {value})"),
        st.tuples(st.sampled_from(["lora", "adamw", "full", "zzz", ""]), body).map(
            lambda parts: f"{parts[0]} {{ {parts[1]} }}"
        ),
    )


EXPRESSIONS = st.recursive(st.one_of(_WORDS, _NUMBERS, _PATHS), _compound, max_leaves=8)
_ASSIGNMENTS = st.tuples(_KEYS, EXPRESSIONS).map(" = ".join)
_BLOCKS = st.tuples(_KEYS, st.lists(_ASSIGNMENTS, max_size=4)).map(
    lambda parts: f"{parts[0]} {{ {' '.join(parts[1])} }}"
)
_LETS = st.tuples(st.sampled_from(["a", "b", "c"]), EXPRESSIONS).map(lambda parts: f"let {parts[0]} = {parts[1]}")
_TARGETS = st.lists(_ASSIGNMENTS, max_size=3).map(lambda body: f"target t {{ {' '.join(body)} }}")
TEXTS = st.lists(st.one_of(_ASSIGNMENTS, _BLOCKS, _LETS, _TARGETS), max_size=6).map(
    lambda parts: "ft 1\n" + "\n".join(parts)
)
SETTINGS = st.lists(st.one_of(st.tuples(_PATHS, EXPRESSIONS).map("=".join), st.text(max_size=12)), max_size=2)


def _lowered(text: str, settings_: list[str]) -> tuple[Document, list[Finding]] | None:
    tree, _ = parse(text)
    return None if tree is None else lower(tree, "job.ft", settings_)


@settings(max_examples=300, deadline=2000)
@given(TEXTS, SETTINGS)
def test_lowering_never_raises_and_points_into_the_text(text: str, given_settings: list[str]) -> None:
    lowered = _lowered(text, given_settings)
    if lowered is None:
        return
    lines = text.split("\n")
    for finding in lowered[1]:
        assert finding.message
        assert finding.code >= "FT100" or finding.span.source
        if not finding.span.source:
            assert 1 <= finding.span.line <= len(lines)
            assert 1 <= finding.span.column <= len(lines[finding.span.line - 1]) + 1


@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_lowering_is_deterministic(text: str) -> None:
    assert _lowered(text, []) == _lowered(text, [])


@pytest.mark.parametrize(
    "text",
    [
        "let a = .0.95",
        "training { optimizer = adamw { beta2 = .0.95 } }",
        "hardware { gpu =\n nodes = 1 }",
        "hardware { nodes = gpus_per_node = 8 }",
        "hardware { nodes = 0x40 }",
        "training { seed = 2 * 0x40 }",
        'name = "a\\qb"',
        'name = "a/b',
        "hardware { gpu = größe }",
    ],
)
def test_a_value_that_is_not_understood_has_one_finding(text: str) -> None:
    tree, findings = parse_partial(f"ft 1\n{text}")
    assert tree is not None
    assert not tree.complete
    assert len(findings) == 1
    assert lower(tree, "job.ft")[1] == []
