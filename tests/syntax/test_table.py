"""The parse table: what is shipped is what the grammar says, and it reads what lark reads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark
from lark.exceptions import UnexpectedInput

from ftspec.core.resources import resource_path
from ftspec.syntax import table
from ftspec.syntax.generate_table import main, render, table_data
from ftspec.syntax.parser import parse
from tests.syntax.shape import shape, tree_of
from tests.syntax.test_trees import EXPRESSIONS, STATEMENTS

GRAMMAR = resource_path("grammar", table.GRAMMAR_FILE).read_text("utf-8")
LARK = Lark(GRAMMAR, parser="lalr", lexer="basic")


def lark_reads(text: str) -> bool:
    try:
        LARK.parse(text)
    except UnexpectedInput:
        return False
    return True


def test_the_shipped_table_is_that_of_the_grammar() -> None:
    shipped = resource_path("grammar", table.TABLE_FILE).read_text("utf-8")
    assert shipped == render(table_data(GRAMMAR)), "run `python -m ftspec.syntax.generate_table`"


def test_the_table_is_the_same_whatever_the_hash_seed() -> None:
    program = "from tests.syntax.test_table import *; sys.stdout.write(render(table_data(GRAMMAR)))"
    made = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1


def test_a_text_is_read_without_lark() -> None:
    program = "import sys, ftspec.syntax.parser as p; p.parse('ft 1 a = [1'); sys.exit('lark' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode
        == 0
    )


@pytest.mark.parametrize(
    "text", [*(f"ft 1 {text}" for text in STATEMENTS), *(f"ft 1 x = {text}" for text in EXPRESSIONS)]
)
def test_lark_reads_every_construct_too(text: str) -> None:
    assert lark_reads(text)


WORDS = [
    "a",
    "b",
    "1",
    "4Ki",
    '"s"',
    "=",
    "==",
    "<",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ".",
    "+",
    "-",
    "*",
    "not",
    "and",
    "if",
]
WORDS += [
    "then",
    "else",
    "true",
    "let",
    "target",
    "variant",
    "assert",
    "import",
    "a =",
    "a {",
    "= 1",
    "x = 1",
    "a { }",
    "[1, 2]",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_reads_what_lark_reads(words: list[str]) -> None:
    text = " ".join(["ft 1", *words])
    tree, findings = parse(text)
    assert (tree is not None and not findings) == lark_reads(text)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder of grammar and table, and no table in memory."""
    (tmp_path / table.GRAMMAR_FILE).write_text(GRAMMAR, "utf-8")

    def find(folder: str, name: str) -> Path:
        path = tmp_path / name
        if not path.is_file():
            raise FileNotFoundError(name)
        return path

    monkeypatch.setattr(table, "read_resource", lambda folder, name: find(folder, name).read_text("utf-8"))
    monkeypatch.setattr("ftspec.syntax.generate_table.resource_path", find)
    table.load_table.cache_clear()
    yield tmp_path
    table.load_table.cache_clear()


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"grammar": "another"}', "\x00"])
def test_a_missing_or_stale_table_is_made_anew(elsewhere: Path, content: str | None) -> None:
    if content is not None:
        (elsewhere / table.TABLE_FILE).write_text(content, "utf-8")
    assert shape(tree_of("ft 1 a = 1 + 2")) == "(ft 1 (= a (+ 1 2)))"


def test_an_edited_grammar_counts_at_once(elsewhere: Path) -> None:
    main()
    assert json.loads((elsewhere / table.TABLE_FILE).read_text("utf-8"))["grammar"] == GRAMMAR
    edited = GRAMMAR.replace('"import" STRING', '"include" STRING')
    (elsewhere / table.GRAMMAR_FILE).write_text(edited, "utf-8")
    assert shape(tree_of('ft 1 include "x.ft"')) == "(ft 1 (import 'x.ft'))"
