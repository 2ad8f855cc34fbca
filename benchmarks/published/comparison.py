"""A published row beside the estimate of its spec."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.published.blocks import Row
from benchmarks.published.families import family_of
from benchmarks.published.stated import CONFIGURATION, FIGURE, kind_of, reasons
from benchmarks.published.text import spec_text
from ftspec.memory.estimate import estimate_memory
from ftspec.memory.estimate_model import MemoryEstimate
from ftspec.memory.overhead import outside_torch
from ftspec.plan.model import Plan
from ftspec.plan.resolve import resolve
from ftspec.spec.lower import lower
from ftspec.syntax.parser import parse_partial

GIB = 2**30


@dataclass(frozen=True)
class Comparison:
    """What a row measured and what the estimate says of it. `measured` is None where only the outcome is known, and
    `estimate` where nothing could be planned. Bytes.
    """

    identity: str
    family: str
    stack: str
    text: str
    plan: Plan
    estimate: MemoryEstimate
    kind: str | None
    measured: int | None
    ran_out: bool

    @property
    def expected(self) -> int:
        """The estimate of what was measured: tensors, what torch reserves, or the whole process."""
        peak = self.estimate.peak_bytes
        tensors = max(stage.allocated_peak_bytes for stage in self.estimate.stages)
        inside = peak - outside_torch(self.plan)
        return {"allocated": tensors, "reserved": inside}.get(self.kind or "", peak)

    @property
    def error(self) -> float:
        """Of the estimate, relative to what was measured."""
        assert self.measured is not None
        return self.expected / self.measured - 1

    @property
    def covered(self) -> bool:
        """Whether the interval, moved to what was measured, has the measured value in it."""
        low, high = self.estimate.interval_bytes
        moved = self.estimate.peak_bytes - self.expected
        return self.measured is not None and low - moved <= self.measured <= high - moved

    @property
    def half_width(self) -> float:
        """Half of the interval's width, relative to the peak."""
        low, high = self.estimate.interval_bytes
        return (high - low) / 2 / self.estimate.peak_bytes

    @property
    def right(self) -> bool:
        """Whether the verdict agrees with the outcome; `borderline` contradicts neither."""
        return self.estimate.verdict != ("fits" if self.ran_out else "does_not_fit")


def measured_bytes(row: Row) -> int:
    """The figure in bytes; a GB that is not said to be 10⁹ is a GiB, as the tools that print it mean it."""
    if row.get("peak_memory_gib"):
        return int(row["peak_memory_gib"] * GIB)
    if str(row["peak_memory_unit"]).startswith("GB (1e9"):
        return int(row["peak_memory"] * 1e9)
    return int(row["peak_memory"] * GIB)


def spec_of(row: Row) -> str:
    """The row as a spec."""
    family = family_of(row)
    assert family is not None
    return spec_text(row["id"], family.adapter(row))


def plan_of(text: str, name: str) -> Plan:
    """The plan of a spec for the one stack that it names."""
    tree, findings = parse_partial(text)
    assert tree is not None, (text, findings)
    document, more = lower(tree, f"{name}.ft", ())
    stack = document.spec.training.stack
    assert stack is not None
    plan, last = resolve(document, stack)
    assert plan is not None, (text, [finding.message for finding in (*findings, *more, *last)])
    return plan


def compare(row: Row) -> Comparison:
    """A row whose configuration is stated, beside its estimate."""
    text = spec_of(row)
    plan, family = plan_of(text, row["id"]), family_of(row)
    assert family is not None
    figure = not any(reasons(row, FIGURE))
    return Comparison(
        identity=row["id"],
        family=family.name,
        stack=plan.training.stack,
        text=text,
        plan=plan,
        estimate=estimate_memory(plan),
        kind=kind_of(row) if figure else None,
        measured=measured_bytes(row) if figure else None,
        ran_out=bool(row["oom"]),
    )


def read_rows(path: Path) -> list[Row]:
    """The rows of a file of published measurements."""
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return rows


def comparisons(rows: list[Row]) -> Iterator[Comparison]:
    """Every row that states a configuration."""
    for row in rows:
        if not any(reasons(row, CONFIGURATION)):
            yield compare(row)
