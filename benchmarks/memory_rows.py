"""Measured rows that a memory estimate can be held against, each with the plan of what was run.

The kinds: the reference's exact traces (where they lie beside the checkout, or where an option says), the traces that
are kept here, of transformers and of Megatron, steps on a real GPU, and published peaks. A kind that does not exist is
left out.
"""

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.gpu.case import plan as plan_of_case
from benchmarks.gpu.compare import case_of
from ftspec.plan.model import Plan
from tests.memory.megatron_cases import Case, case_plan
from tests.memory.plans import measured_plan

REPOSITORY = Path(__file__).resolve().parent.parent
REFERENCE = REPOSITORY.parent / "shared" / "reference"
TRACES = REPOSITORY / "tests" / "memory"
KEPT = {TRACES / "traces.json": "kept traces", TRACES / "loss_traces.json": "kept traces, other losses"}
MEGATRON = TRACES / "megatron_traces.json"
GPU = Path(__file__).with_name("results") / "gpu_memory.json"
EXACT = {
    "exact_single_device": "exact traces",
    "exact_fsdp2": "exact traces",
    "exact_moe": "exact traces, experts",
}
"""The reference's files, and what each is called as a judge."""


@dataclass(frozen=True)
class Row:
    """One measured step. Bytes on a GPU of the pipeline stage (None: the fullest): `peak_bytes` of all tensors at the
    peak; `states_bytes` of parameters, their gradients and the optimizer's states (None where the measurement does not
    tell them apart).
    """

    judge: str
    plan: Plan
    peak_bytes: int
    states_bytes: int | None = None
    stage: int | None = None

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
    if row.get("method", "full") != "full" or not isinstance(peak, dict):
        return None
    parameters, states = ("Sharded Param", "OptState") if "Sharded Param" in peak else ("Parameter", "Optstate")
    return int(2 * peak[parameters] + peak[states])


def traced_rows(path: Path, judge: str) -> Iterator[Row]:
    """The rows of one file of traces."""
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
        plan, peak = measured_plan(row), row["peak"]
        plan = replace(plan, training=replace(plan.training, loss=row.get("loss", plan.training.loss)))
        yield Row(judge, plan, int(peak["Total"] if isinstance(peak, dict) else peak), _states(row))


def megatron_rows(path: Path = MEGATRON) -> Iterator[Row]:
    """Steps of Megatron's own modules."""
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
        case = Case(**row["case"])
        states = row["parameters"] + row["gradients"] + row["states"]
        stage = case.stage if case.pipeline > 1 else None
        yield Row("kept traces", case_plan(case), int(row["peak"]), int(states), stage)


def gpu_rows(path: Path = GPU) -> Iterator[Row]:
    """The peaks of tensors in real steps (benchmarks/gpu_memory.py), where a GPU was at hand once."""
    if not path.exists():
        return
    recorded = json.loads(path.read_text(encoding="utf-8"))
    for row in recorded["rows"]:
        if "skipped" not in row:
            yield Row(f"steps on {recorded['card']}", plan_of_case(case_of(row)), row["allocated_bytes"])


def published_rows(path: Path) -> Iterator[Row]:
    """The published peaks whose configuration is fully stated."""
    published = importlib.import_module("benchmarks.memory_published")  # which takes `Row` from here
    yield from published.rows(path)


def measured_rows(reference: Path = REFERENCE) -> list[Row]:
    """Every row that can be found."""
    measured = reference / "measured"
    files = {measured / f"{name}.json": judge for name, judge in EXACT.items()} | KEPT
    rows = [row for path, judge in files.items() if path.exists() for row in traced_rows(path, judge)]
    return [*rows, *megatron_rows(), *gpu_rows(), *published_rows(measured / "memory.json")]
