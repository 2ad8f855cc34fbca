"""Several independent mistakes are found in one run, and what is right between them is read."""

import pytest

from ftspec.core.finding import Finding
from ftspec.syntax.codes import MAXIMUM_FINDINGS
from ftspec.syntax.parser import parse, parse_partial
from tests.syntax.shape import shape


def places(findings: list[Finding]) -> list[tuple[str, int]]:
    """Code and line of each finding."""
    return [(finding.code, finding.span.line) for finding in findings]


def test_mistakes_in_several_blocks() -> None:
    tree, findings = parse_partial(
        """ft 1
hardware { gpu = "H100"  nodes = 4 4 }
precision { compute = = bf16 master_parameters = fp32 }
training {
  method = lora { rank = }
  sequence_length: 4Ki
}
parallelism { tensor = 8 ) pipeline = 2 }
assert parallelism.tensor = 8
target deepspeed { }
"""
    )
    assert places(findings) == [("FT010", 2), ("FT010", 3), ("FT024", 5), ("FT020", 6), ("FT012", 8), ("FT010", 9)]
    assert tree is not None
    assert not tree.complete
    assert "(target deepspeed)" in shape(tree)
    assert "(= master_parameters fp32)" in shape(tree)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("a = * b = 1", "(= b 1)"),
        ("a = * lora { c = 1 } b = 1", "(= b 1)"),
        ("a { b = 1 ] c = 1 }", "(block a (= b 1) (= c 1))"),
        ("a = 1 = 2 b = 1", "(= a 1) (= b 1)"),
        ("a { b c } d = 1", "(block a (= b c)) (= d 1)"),
        ("a { let b = { c = 1 } d = 1 }", "(block a (= d 1))"),
        ("a { target t { c = 1 } d = 1 }", "(block a (= d 1))"),
        ("= 3 b = 1", "(= b 1)"),
        ("then else b = 1", "(= b 1)"),
        ("a.b.c = 1 b = 1", "(= c 1) (= b 1)"),
        ("let = 4 b = 1", "(= b 1)"),
        ("variant 3 { a = 1 } b = 1", "(= b 1)"),
        ("a = 1 then b = 1", "(= a 1) (= b 1)"),
        ('import { } target t { } "k" { }', "(target t) (block k)"),
    ],
)
def test_parsing_goes_on_at_the_next_statement(text: str, rest: str) -> None:
    tree, findings = parse_partial(f"ft 1 {text}")
    assert findings
    assert tree is not None
    assert shape(tree) == f"(ft 1 {rest})"


def test_there_is_no_tree_where_something_was_left_out() -> None:
    assert parse("ft 1 a = * b = 1")[0] is None
    assert parse('ft 1 a = "b')[0] is None


def test_findings_are_in_the_order_of_the_text() -> None:
    _, findings = parse_partial("ft 1 a = 1 @ b = * c = 80 GB d = True e = ]")
    assert [finding.span for finding in findings] == sorted(finding.span for finding in findings)
    assert len(findings) >= 4


@pytest.mark.parametrize(
    "text",
    [
        'a { b = "c d = 1 e { f = 2 } }\ng = 1',
        'a {\n  b = c" { d = 1 }\n}\ne { f = 1 }',
        'variant "v { a { b = 1 } }\nassert c == 1',
        'a { b = ""c" d = 80 GB }',
        'a { b = "c"d" e = f }',
    ],
)
def test_an_open_string_hides_what_follows_from_it(text: str) -> None:
    _, findings = parse_partial(f"ft 1\n{text}")
    assert [finding.code for finding in findings] in (["FT015"], ["FT010", "FT015"])


@pytest.mark.parametrize("text", ["a = = 1 ", "a = True ", "a = 'b' ", "@", "} ", "a = 80 GB ", "a = [1 2] ", '"\\q" '])
def test_mistakes_are_counted_only_so_far(text: str) -> None:
    _, findings = parse_partial("ft 1 " + text * 1000)
    assert len(findings) == MAXIMUM_FINDINGS


def test_a_text_that_is_no_spec_at_all_gets_a_short_answer() -> None:
    for text in (
        "hello world this is not a spec",
        "import os\nos.exit(1)\n",
        "def f(x):\n    return x\n",
        "<html></html>",
    ):
        tree, findings = parse(text)
        assert tree is None
        assert 1 <= len(findings) <= 2
        assert findings[0].code == "FT013"


def test_a_half_written_file_gets_one_finding() -> None:
    whole = 'ft 1\nhardware {\n  network = { kind = infiniband bandwidth = 400Gbps }\n  list = [1, f(2), "x"]\n}\n'
    for end in range(5, len(whole) - 2):
        tree, findings = parse(whole[:end])
        assert len(findings) <= 1, whole[:end]
        assert tree is None or not findings
