"""Findings as people read them: the underline stands below the offending text, whatever the characters."""

import pytest

from ftspec.core.finding import Finding, Related, Severity
from ftspec.core.message import render, summary
from ftspec.core.source import Span


def _finding(span: Span, **more) -> Finding:
    return Finding("FT999", Severity.ERROR, "it is wrong", span, "write it right", path="job.ft", **more)


def test_whole_message() -> None:
    text = "ft 1\nname = 3\n"
    assert render(_finding(Span(2, 8, 2, 9)), text) == (
        "error[FT999]: it is wrong\n --> job.ft:2:8\n  |\n2 | name = 3\n  |        ^\n  = help: write it right"
    )


@pytest.mark.parametrize(
    ("line", "start", "end", "underline"),
    [
        ("a = bad", 5, 8, "    ^^^"),
        ("\ta = bad", 6, 9, "        ^^^"),
        ("名 = bad", 5, 8, "     ^^^"),
        ("e\u0301 = bad", 6, 9, "    ^^^"),
        ("a = 名", 5, 6, "    ^^"),
        ("a =", 4, 4, "   ^"),
        ("a = \x1b[31m", 5, 10, "    ^^^^^"),
    ],
)
def test_underline(line: str, start: int, end: int, underline: str) -> None:
    rendered = render(_finding(Span(1, start, 1, end)), line).split("\n")
    assert rendered[4] == f"  | {underline}"
    assert "\x1b" not in rendered[3]


def test_long_line_is_cut_around_the_place() -> None:
    rendered = render(_finding(Span(1, 5001, 1, 5004)), "x" * 5000 + "bad" + "y" * 5000)
    shown, marks = rendered.split("\n")[3:5]
    assert len(shown) < 200
    assert shown[marks.index("^") :].startswith("bad")


def test_related_place_and_colour() -> None:
    finding = _finding(Span(2, 1, 2, 2), related=(Related("first written here", Span(1, 1, 1, 2)),))
    rendered = render(finding, "a = 1\na = 2\n", colour=True)
    assert rendered.startswith("\x1b[31;1merror[FT999]\x1b[0m")
    assert "first written here" in rendered
    assert "job.ft:1:1" in rendered


def test_place_beyond_the_text() -> None:
    assert "job.ft:9:1" in render(_finding(Span(9, 1, 9, 1)), "one line")


def test_summary() -> None:
    one = _finding(Span(1, 1, 1, 1))
    assert summary([]) == ""
    assert summary([one, one, one._replace(severity=Severity.NOTE)]) == "2 errors, 1 note"
