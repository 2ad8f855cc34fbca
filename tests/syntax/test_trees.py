"""Every construct of the language, with the tree that it is read as."""

import pytest

from tests.syntax.shape import shape, tree_of

STATEMENTS = {
    "": "",
    'name = "r1"': "(= name 'r1')",
    'import "cluster.ft"': "(import 'cluster.ft')",
    "let gpus = 128": "(let gpus 128)",
    "hardware { }": "(block hardware)",
    "hardware { nodes = 16 gpus_per_node = 8 }": "(block hardware (= nodes 16) (= gpus_per_node 8))",
    "a { b { c { d = 1 } } }": "(block a (block b (block c (= d 1))))",
    "method = lora { rank = 16 }": "(= method {lora (= rank 16)})",
    "network = { kind = infiniband bandwidth = 400Gbps }": "(= network { (= kind infiniband) (= bandwidth 400_Gbps)})",
    "target megatron { }": "(target megatron)",
    'target deepspeed { raw { "zero_optimization" { stage = 1 } "a b" = 2 c = 3 } }': (
        "(target deepspeed (block raw (block zero_optimization (= stage 1)) (= a b 2) (= c 3)))"
    ),
    'variant "small" { let n = 1 hardware { nodes = n } target hydra { } assert n > 0 }': (
        "(variant 'small' (let n 1) (block hardware (= nodes n)) (target hydra) (assert (> n 0)))"
    ),
    "assert a <= b": "(assert (<= a b))",
    'assert memory.peak_per_gpu <= 74GiB, "leave room"': "(assert (<= memory.peak_per_gpu 74_GiB) 'leave room')",
    "a = b c = d": "(= a b) (= c d)",
    'a = b "c" = d': "(= a b) (= c d)",
    "a = 1 # one\n# two\nb = 2": "(= a 1) (= b 2)",
    "a\n=\n1": "(= a 1)",
    "fting = 1 lets = 2 iffy = android": "(= fting 1) (= lets 2) (= iffy android)",
}


@pytest.mark.parametrize("text", STATEMENTS)
def test_statements(text: str) -> None:
    expected = STATEMENTS[text]
    assert shape(tree_of(f"ft 1\n{text}")) == f"(ft 1{' ' * bool(expected)}{expected})"


EXPRESSIONS = {
    "16": "16",
    "0.5": "0.5",
    "1e-5": "1e-5",
    "1E+5": "1E+5",
    "1e999": "1e999",
    "80GB": "80_GB",
    "80GiB": "80_GiB",
    "400Gbps": "400_Gbps",
    "50GB/s": "50_GB/s",
    "50 / s": "(/ 50 s)",
    "80GB / s": "(/ 80_GB s)",
    "80GB/second": "(/ 80_GB second)",
    "4k": "4_k",
    "4Ki": "4_Ki",
    "1.5e3k": "1.5e3_k",
    "1B": "1_B",
    "72h": "72_h",
    "30min": "30_min",
    "true": "#true",
    "false": "#false",
    "auto": "auto",
    "parallelism.tensor": "parallelism.tensor",
    "a . b.c": "a.b.c",
    '"a\\"b\\\\c\\n\\t\\r\\u00e9 #{"': repr('a"b\\c\n\t\ré #{'),
    '"ünïcödé"': repr("ünïcödé"),
    "[]": "[]",
    "[1]": "[1]",
    "[1,]": "[1]",
    '["q", v, 3, [4],]': "['q' v 3 [4]]",
    "1 + 2 - 3": "(- (+ 1 2) 3)",
    "1 + 2 * 3 / 4 % 5": "(+ 1 (% (/ (* 2 3) 4) 5))",
    "(1 + 2) * 3": "(* (+ 1 2) 3)",
    "-a * -b": "(* (- a) (- b))",
    "- -1": "(- (- 1))",
    "4-1": "(- 4 1)",
    "not a and b or c": "(or (and (not a) b) c)",
    "a or b and not c == d": "(or a (and b (not (== c d))))",
    "a + 1 < b * 2": "(< (+ a 1) (* b 2))",
    "a != b": "(!= a b)",
    "a >= b": "(>= a b)",
    "(a < b) == (c > d)": "(== (< a b) (> c d))",
    "if a then b else c": "(if a b c)",
    "if a < 1 then 1 else if b then 2 else 3": "(if (< a 1) 1 (if b 2 3))",
    "if a then if b then 1 else 2 else 3": "(if a (if b 1 2) 3)",
    "if big then full { every = 1 } else none": "(if big {full (= every 1)} none)",
    "min(a, b + 1)": "(call min a (+ b 1))",
    "ceil(a / 8,)": "(call ceil (/ a 8))",
    "f()": "(call f)",
    "((1))": "1",
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions(text: str) -> None:
    assert shape(tree_of(f"ft 1 x = {text}")) == f"(ft 1 (= x {EXPRESSIONS[text]}))"


def test_white_space_may_be_anything() -> None:
    assert shape(tree_of("\r\n ft\t1\r\n\r\na=1\tb=2\n\n\n")) == "(ft 1 (= a 1) (= b 2))"


def test_a_tree_without_mistakes_is_complete() -> None:
    assert tree_of("ft 1 a = 1").complete
