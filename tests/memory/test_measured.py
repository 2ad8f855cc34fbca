"""The estimate against exact traces of real models, where the reference data lies beside the checkout."""

import statistics
from typing import Any

import pytest

from ftspec.memory.estimate import estimate_memory
from tests.memory.plans import measured_plan
from tests.reference import reference_json

Rows = list[dict[str, Any]]


def error(row: dict[str, Any]) -> float:
    """Relative error of the bytes that tensors take at the peak."""
    (stage,) = estimate_memory(measured_plan(row)).stages
    return stage.allocated_peak_bytes / int(row["peak"]["Total"]) - 1


def rows_of(name: str, method: str) -> Rows:
    rows: Rows = reference_json(f"measured/{name}.json")["rows"]
    return [row for row in rows if row["method"] == method]


@pytest.mark.parametrize(
    ("name", "method", "worst"),
    [
        ("exact_single_device", "full", 0.001),
        ("exact_single_device", "last", 0.001),
        ("exact_single_device", "lora", 0.001),
        ("exact_fsdp2", "full", 0.001),
        ("exact_moe", "full", 0.001),
    ],
)
def test_every_exact_trace(name: str, method: str, worst: float) -> None:
    """Typical rows are right to a thousandth of a percent, and none is off by more than `worst`."""
    errors = {index: abs(error(row)) for index, row in enumerate(rows_of(name, method))}
    assert len(errors) >= 30
    assert statistics.median(errors.values()) < 1e-4
    assert max(errors.values()) < worst


def test_the_categories_agree_where_they_mean_the_same() -> None:
    """Parameters to the byte, FSDP2's shards included; optimizer states but for a few four-byte step counters (GPT-2
    has one tensor for queries, keys and values).
    """
    for row in rows_of("exact_single_device", "full"):
        (stage,) = estimate_memory(measured_plan(row)).stages
        assert stage.terms["parameters"] == row["peak"]["Parameter"]
        assert stage.terms["optimizer_states"] == pytest.approx(row["peak"]["Optstate"], abs=256)
    for row in rows_of("exact_fsdp2", "full"):
        (stage,) = estimate_memory(measured_plan(row)).stages
        assert stage.terms["parameters"] == row["peak"]["Sharded Param"]
        assert stage.terms["optimizer_states"] == row["peak"]["OptState"]
