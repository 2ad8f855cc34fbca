"""Recorded rows beside what is estimated for them now."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from benchmarks.gpu.case import Case, plan
from ftspec.memory.estimate import estimate_memory


class Compared(NamedTuple):
    """A case, and estimated over measured bytes, less 1: of tensors, and of the process. `covered`: whether the
    estimate's interval has the process's bytes in it.
    """

    case: Case
    allocated: float
    process: float
    covered: bool


def case_of(row: Mapping[str, Any]) -> Case:
    """The case of a recorded row."""
    return Case(**{field.name: row[field.name] for field in fields(Case)})


def compare(rows: Sequence[Mapping[str, Any]]) -> Iterator[Compared]:
    """The rows that were measured."""
    for row in rows:
        if "skipped" in row:
            continue
        case = case_of(row)
        estimate = estimate_memory(plan(case))
        low, high = estimate.interval_bytes
        yield Compared(
            case,
            estimate.fullest.allocated_peak_bytes / row["allocated_bytes"] - 1,
            estimate.peak_bytes / row["process_bytes"] - 1,
            low <= row["process_bytes"] <= high,
        )


def summary(compared: Sequence[Compared]) -> str:
    """One line for all of them."""
    if not compared:
        return "nothing was measured"
    medians = [statistics.median(abs(getattr(each, name)) for each in compared) for name in ("allocated", "process")]
    worst = max(abs(each.allocated) for each in compared)
    covered = sum(each.covered for each in compared)
    return (
        f"{len(compared)} cases: tensors {medians[0]:.2%} off at the median, {worst:.2%} at worst; "
        f"process {medians[1]:.2%} off at the median; {covered} inside the interval"
    )
