"""Measured rows that a memory estimate can be held against, each with the plan of what was run.

The kinds: the reference's exact traces (where they lie beside the checkout, or where an option says), the traces that
are kept here, steps on a real GPU, and published peaks. A kind that does not exist is left out.
"""

import importlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.case import plan as plan_of_case
from benchmarks.gpu.compare import case_of
from ftspec.plan.model import Plan
from tests.memory.plans import measured_plan

REPOSITORY = Path(__file__).resolve().parent.parent
REFERENCE = REPOSITORY.parent / "shared" / "reference"
KEPT = REPOSITORY / "tests" / "memory" / "traces.json"
GPU = Path(__file__).with_name("results") / "gpu_memory.json"
EXACT = {
    "exact_single_device": "exact traces",
    "exact_fsdp2": "exact traces",
    "exact_moe": "exact traces, experts",
}
"""The reference's files, and what each is called as a judge."""


@dataclass(frozen=True)
class Row:
    """One measured step. Bytes on the fullest GPU: `peak_bytes` of all tensors at the peak; `states_bytes` of
    parameters, their gradients and the optimizer's states (None where the measurement does not tell them apart).
    """

    judge: str
    plan: Plan
    peak_bytes: int
    states_bytes: int | None = None

    @property
    def stack(self) -> str:
        """Who ran it; on one GPU that makes no difference."""
        plan = self.plan
        alone = plan.hardware.world_size == 1 and plan.training.stack in ("ddp", "fsdp2")
        return "one device" if alone else plan.training.stack

    @property
    def method(self) -> str:
        """The training method's word."""
        return self.plan.training.method.kind


def _states(row: dict[str, Any]) -> int | None:
    """With method full each parameter has a gradient of its own type, whether or not it exists at the peak."""
    peak = row["peak"]
    if row["method"] != "full":
        return None
    parameters = peak.get("Parameter", peak.get("Sharded Param"))
    return int(2 * parameters + peak.get("Optstate", peak.get("OptState")))


def traced_rows(path: Path, judge: str) -> Iterator[Row]:
    """The rows of one file of traces."""
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
        yield Row(judge, measured_plan(row), int(row["peak"]["Total"]), _states(row))


def gpu_rows(path: Path = GPU) -> Iterator[Row]:
    """The peaks of tensors in real steps (benchmarks/gpu_memory.py), where a GPU was at hand once."""
    if not path.exists():
        return
    recorded = json.loads(path.read_text(encoding="utf-8"))
    for row in recorded["rows"]:
        if "skipped" not in row:
            yield Row(f"steps on {recorded['card']}", plan_of_case(case_of(row)), row["allocated_bytes"])


def published_rows() -> Iterator[Row]:
    """The published peaks whose configuration is fully stated, where the module that knows them exists."""
    name = "benchmarks.memory_published"
    if importlib.util.find_spec(name) is not None:
        yield from importlib.import_module(name).rows()


def measured_rows(reference: Path = REFERENCE) -> list[Row]:
    """Every row that can be found."""
    files = {reference / "measured" / f"{name}.json": judge for name, judge in EXACT.items()} | {KEPT: "kept traces"}
    rows = [row for path, judge in files.items() if path.exists() for row in traced_rows(path, judge)]
    return [*rows, *gpu_rows(), *published_rows()]
