"""The published recommendation: every mistake in it is found."""

from functools import cache
from pathlib import Path

import pytest

from ftspec.checked import Checked
from ftspec.core.finding import Finding
from ftspec.pipeline import check_file

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "deepseek-r1-70b-as-published.ft"


@cache
def checked() -> Checked:
    return check_file(str(EXAMPLE))


def finding(code: str) -> Finding:
    """The one finding of a code."""
    (found,) = [each for each in checked().findings if each.code == code]
    return found


def test_it_fails() -> None:
    assert checked().exit_code == 1


@pytest.mark.parametrize(
    ("code", "severity", "said"),
    [
        ("FT320", "error", ["InfiniBand-HDR is 200 Gb/s a port, not 400 Gb/s", "400 Gb/s is InfiniBand-NDR"]),
        ("FT240", "error", ["ZeRO-3 with pipeline = 16 is refused"]),
        ("FT241", "warning", ["data is 1", "it shards nothing"]),
        ("FT331", "error", ["282 GB", "16 bytes a parameter", "70,553,706,496 × 16 bytes = 1,129 GB, not 847 GB"]),
        ("FT224", "warning", ["pipeline = 16 over 80 layers is 5 layers a stage", "embedding and head", "25% more"]),
        ("FT330", "warning", ["diverges without dynamic loss scaling", "H100-SXM5-80GB has bf16"]),
        ("FT235", "warning", ["32 micro-batches", "idles 32% of the time", "15/(32+15)"]),
        ("FT290", "note", ["legal and fit", "of the 128 GPUs: tensor = 8", "of 64 GPUs: nodes = 8  tensor = "]),
    ],
)
def test_each_mistake_is_named_with_its_numbers(code: str, severity: str, said: list[str]) -> None:
    found = finding(code)
    assert found.severity == severity
    for part in said:
        assert part in found.message


def test_each_points_at_what_was_written() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for code, written in {"FT320": "400Gbps", "FT330": "fp16", "FT331": "none", "FT240": "3", "FT235": "16"}.items():
        span = finding(code).span
        assert lines[span.line - 1][span.column - 1 : span.end_column - 1] == written


def test_nothing_else_is_found_wrong() -> None:
    assert len([each for each in checked().findings if each.severity != "note"]) == 7
