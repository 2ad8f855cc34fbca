"""The estimate against traces of real models that are kept here (made by tests/oracles/step_trace.py)."""

import json
from pathlib import Path
from typing import Any

import pytest

from ftspec.memory.estimate import estimate_memory
from tests.memory.plans import measured_plan

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("traces.json").read_text())["rows"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['attention']}-{row['dtype']}")
def test_the_peak_of_a_real_step(row: dict[str, Any]) -> None:
    (stage,) = estimate_memory(measured_plan(row)).stages
    assert stage.allocated_peak_bytes == pytest.approx(row["peak"]["Total"], rel=0.02)
    assert stage.terms["parameters"] == row["peak"]["Parameter"]


def test_most_are_exact() -> None:
    """Models whose every operation is modelled are right to a thousandth; the others approximately."""
    errors = []
    for row in ROWS:
        (stage,) = estimate_memory(measured_plan(row)).stages
        errors.append(abs(stage.allocated_peak_bytes / row["peak"]["Total"] - 1))
    assert sum(error < 1e-3 for error in errors) >= len(errors) - 2
