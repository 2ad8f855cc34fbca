"""docs/language.md: its tables are the declarations, its examples check, its mistakes are reported."""

import re
from pathlib import Path

import pytest

from ftspec.core.finding import Severity
from ftspec.pipeline import check_text
from ftspec.spec.field_tables import between, field_tables, unit_table
from ftspec.syntax.parser import parse
from tests.spec.lowering import only

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
SPECS = re.findall(r"```ft\n(.*?)```", PAGE, flags=re.DOTALL)
MISTAKES = re.findall(r"^\| `(.*?)` \| (FT1\d\d) ", PAGE, flags=re.MULTILINE)


def test_the_tables_are_generated() -> None:
    assert between(PAGE, "units") == unit_table()
    assert between(PAGE, "fields") == field_tables()


@pytest.mark.parametrize("text", SPECS)
def test_an_example_checks(text: str) -> None:
    assert [finding for finding in check_text(text, "page.ft").findings if finding.severity is Severity.ERROR] == []


@pytest.mark.parametrize(("text", "code"), MISTAKES)
def test_a_mistake_has_the_code_that_the_page_says(text: str, code: str) -> None:
    assert parse(f"ft 1\n{text}")[1] == []
    assert only(text).code == code


def test_the_page_names_the_mistakes_of_a_text() -> None:
    assert len(MISTAKES) > 15
    assert len(SPECS) >= 2
