"""How near ftspec and other estimators come to measured memory, on the same rows.

    python -m benchmarks.memory_accuracy [--json] [--write] [--reference FOLDER]

Errors are |estimated / measured - 1|. A tool's `total` is held against the peak of all tensors; what it says of
parameters, gradients and optimizer states alone against their measured bytes (`… states`). Rows that a tool cannot
express are not covered, and do not count as errors. Peers come from requirements/benchmarks.txt; one that is not
installed is left out, and said so.
"""

import argparse
import json
import math
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.memory_rows import REFERENCE, Row, measured_rows
from benchmarks.peers.accelerate import ACCELERATE
from benchmarks.peers.deepspeed import DEEPSPEED
from benchmarks.peers.llm_analysis import LLM_ANALYSIS
from benchmarks.peers.megatron import MEGATRON
from benchmarks.peers.own import OWN
from benchmarks.peers.tool import Asked, Figures, Tool

TOOLS = (OWN, LLM_ANALYSIS, MEGATRON, DEEPSPEED, ACCELERATE)
RESULTS = Path(__file__).with_name("results") / "memory_accuracy.json"
ABOUT = (
    "Relative errors (fractions) of memory estimates, by python -m benchmarks.memory_accuracy --write. "
    "`rows` are those of the group, `covered` those that the tool can express; errors are over the covered ones."
)


class Comparison(NamedTuple):
    """One tool on one group of rows."""

    judge: str
    stack: str
    method: str
    tool: str
    rows: int
    covered: int
    median: float | None
    p95: float | None
    worst: float | None


def ask_all(rows: Sequence[Row], tools: Sequence[Tool]) -> dict[str, list[Figures | None]]:
    """Each installed tool's figures for every row; the missing ones are named on standard error."""
    figures = {}
    for tool in tools:
        try:
            with redirect_stdout(sys.stderr):  # some peers print as they go
                figures[tool.name] = tool.estimate([Asked(row.plan, row.stage) for row in rows])
        except ImportError as missing:
            print(f"{tool.name} is left out: {missing}", file=sys.stderr)
    return figures


def errors_of(rows: Sequence[Row], figures: Sequence[Figures | None], *, states: bool) -> list[float]:
    """The errors of the rows that are covered, from the smallest."""
    pairs = [
        (figure.states, row.states_bytes) if states else (figure.total, row.peak_bytes)
        for row, figure in zip(rows, figures, strict=True)
        if figure is not None
    ]
    return sorted(abs(ours / measured - 1) for ours, measured in pairs if measured is not None)


def _compare(group: tuple[str, str, str], tool: str, rows: int, errors: list[float]) -> Comparison:
    def rounded(error: float) -> float:
        return float(f"{error:.4g}")

    if not errors:
        return Comparison(*group, tool, rows, 0, None, None, None)
    p95 = errors[math.ceil(0.95 * len(errors)) - 1]
    return Comparison(*group, tool, rows, len(errors), *map(rounded, (statistics.median(errors), p95, errors[-1])))


def compare(rows: Sequence[Row], figures: dict[str, list[Figures | None]]) -> Iterator[Comparison]:
    """Every tool on every group of rows: by judge, stack and method; peaks, then states."""
    for states in (False, True):
        known = [index for index, row in enumerate(rows) if not states or row.states_bytes is not None]
        groups: dict[tuple[str, str, str], list[int]] = {}
        for index in known:
            row = rows[index]
            groups.setdefault((row.judge + ", states" * states, row.stack, row.method), []).append(index)
        for group, members in groups.items():
            for tool, answers in figures.items():
                chosen = [rows[index] for index in members], [answers[index] for index in members]
                yield _compare(group, tool, len(members), errors_of(*chosen, states=states))


def results(rows: Sequence[Row], tools: Sequence[Tool]) -> dict[str, Any]:
    """What is written: deterministic for given versions and rows."""
    figures = ask_all(rows, tools)
    versions = {tool.package: version(tool.package) for tool in tools if tool.name in figures}
    return {
        "about": ABOUT,
        "versions": {"python": platform.python_version(), **versions},
        "rows": [comparison._asdict() for comparison in compare(rows, figures)],
    }


def show(found: dict[str, Any]) -> None:
    """The results as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("judge", "stack", "method", "tool", "rows", "covered", "median", "95%", "worst")
    last = None
    for row in found["rows"]:
        group = (row["judge"], row["stack"], row["method"])
        errors = [f"{row[name]:.2%}" if row[name] is not None else "–" for name in ("median", "p95", "worst")]
        if last not in (None, group):
            table.add_section()
        table.add_row(
            *(group if group != last else ("", "", "")), row["tool"], str(row["rows"]), str(row["covered"]), *errors
        )
        last = group
    Console(width=150).print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print, and write if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} under benchmarks/results")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="folder of the reference data")
    options = parser.parse_args(arguments)
    found = results(measured_rows(options.reference), TOOLS)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)
    if options.write:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
