"""The estimate against traces of real models that are kept here (made by tests/oracles/step_trace.py)."""

import json
import statistics
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ftspec.catalog.models import ModelRow, find_model
from ftspec.memory.estimate import estimate_memory
from ftspec.memory.estimate_model import StageMemory
from tests.memory.plans import measured_plan

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("traces.json").read_text())["rows"]


def has_experts(row: dict[str, Any]) -> bool:
    found = find_model(row["model"])
    assert isinstance(found, ModelRow)
    return found.shape.moe is not None


def rows_of(kind: str) -> list[dict[str, Any]]:
    """The rows of a method; "full, experts" are those of models with experts."""
    method, _, experts = kind.partition(", ")
    return [row for row in ROWS if row.get("method", "full") == method and has_experts(row) == bool(experts)]


@cache
def _stage(index: int) -> StageMemory:
    (stage,) = estimate_memory(measured_plan(ROWS[index])).stages
    return stage


def stage_of(row: dict[str, Any]) -> StageMemory:
    return _stage(ROWS.index(row))


def error_of(row: dict[str, Any]) -> float:
    return abs(stage_of(row).allocated_peak_bytes / row["peak"]["Total"] - 1)


@pytest.mark.parametrize(
    ("kind", "rows", "median", "nineteen_of_twenty", "worst"),
    [
        ("full", 120, 1e-5, 0.0005, 0.001),
        ("lora", 25, 1e-4, 0.001, 0.002),
        ("qlora", 25, 1e-5, 1e-4, 1e-4),
        ("partial", 20, 1e-4, 0.001, 0.002),
        ("full, experts", 18, 1e-5, 0.002, 0.005),
        ("lora, experts", 11, 1e-5, 0.002, 0.005),
        ("qlora, experts", 5, 1e-4, 0.005, 0.005),
    ],
)
def test_the_errors_of_a_method(kind: str, rows: int, median: float, nineteen_of_twenty: float, worst: float) -> None:
    errors = sorted(error_of(row) for row in rows_of(kind))
    assert len(errors) >= rows
    assert statistics.median(errors) < median
    assert errors[int(0.95 * len(errors))] < nineteen_of_twenty
    assert errors[-1] < worst


def test_many_models() -> None:
    assert len({row["model"] for row in ROWS}) >= 40
    assert len(ROWS) >= 240


@pytest.mark.parametrize("kind", ["full", "lora", "partial", "full, experts", "lora, experts"])
def test_parameters_and_optimizer_states_agree(kind: str) -> None:
    """Parameters to the byte; optimizer states but for some four-byte step counters: a projection is counted as one
    tensor or as three, and StableLM 2 12B has a norm for each head. ERNIE holds its router in fp32.
    """
    for row in rows_of(kind):
        stage, wider = stage_of(row), 2 * 64 * (2560 + 1) if "ERNIE" in row["model"] else 0
        assert stage.terms["parameters"] == row["peak"]["Parameter"] - wider, row
        assert stage.terms["optimizer_states"] == pytest.approx(row["peak"]["Optstate"], abs=512), row


def test_packed_weights_agree_but_for_tables() -> None:
    """bitsandbytes' scales are buffers; each projection also has tables of a few hundred numbers."""
    for row in (*rows_of("qlora"), *rows_of("qlora, experts")):
        held = row["peak"]["Parameter"] + row["peak"]["Buffer"]
        assert stage_of(row).terms["parameters"] == pytest.approx(held, rel=1e-3), row
