"""What is generated about memory is what the code says now; `make generated` brings it up to date."""

import re

import pytest

from tools.memory_docs import GOLDEN, GOLDEN_REPORTS, PAGE, README, page, readme, report


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text


def test_the_readme_shows_what_is_printed() -> None:
    text = README.read_text(encoding="utf-8")
    assert readme(text) == text


@pytest.mark.parametrize("name", GOLDEN_REPORTS)
def test_reports_are_the_golden_ones(name: str) -> None:
    assert report(*GOLDEN_REPORTS[name]) == (GOLDEN / f"memory_{name}.txt").read_text(encoding="utf-8")


def test_links_of_the_page_lead_somewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (PAGE.parent / link).exists(), link
