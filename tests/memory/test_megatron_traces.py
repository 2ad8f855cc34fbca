"""The estimate against traces of Megatron's real modules, schedules and optimizer (tests/oracles/megatron_trace.py)."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from ftspec.memory.estimate import estimate_memory
from tests.memory.megatron_cases import Case, as_row, case_plan, cases

TRACES = json.loads((Path(__file__).parent / "megatron_traces.json").read_text())["rows"]


def case_of(row: dict[str, Any]) -> Case:
    return Case(**row["case"])


def error(row: dict[str, Any]) -> float:
    """Relative error of the bytes that tensors take at the peak of the traced rank's stage."""
    case = case_of(row)
    return estimate_memory(case_plan(case)).stages[case.stage].allocated_peak_bytes / int(row["peak"]) - 1


def test_half_of_the_traces_are_met_within_a_ten_thousandth() -> None:
    assert len(TRACES) >= 80
    assert statistics.median(abs(error(row)) for row in TRACES) < 1e-4


@pytest.mark.parametrize("row", TRACES, ids=lambda row: json.dumps(row["case"]))
def test_every_trace(row: dict[str, Any]) -> None:
    assert abs(error(row)) < 0.01


def test_parameters_gradients_and_states_are_the_traced_ones() -> None:
    for row in TRACES:
        case = case_of(row)
        terms = estimate_memory(case_plan(case)).stages[case.stage].terms
        assert terms["parameters"] == pytest.approx(row["parameters"], rel=1e-4)
        states = terms["master_parameters"] + terms["optimizer_states"]
        assert states == pytest.approx(row["states"], rel=1e-3)
        assert terms["gradients"] == pytest.approx(row["gradients"], rel=1e-3)


def test_the_traces_are_of_the_cases() -> None:
    assert [row["case"] for row in TRACES] == [as_row(case) for case in cases()]
