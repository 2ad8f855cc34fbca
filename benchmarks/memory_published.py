"""Published peaks and out-of-memory outcomes beside the estimates of their specs.

    python -m benchmarks.memory_published [--json] [--rows] [--reference FOLDER]

Each row of the reference becomes a spec that says what the row states and leaves the rest to ftspec's defaults. What
torch allocated is held against `allocated_peak_bytes`; what it reserved, and what nvidia-smi showed, against
`peak_bytes` without and with what torch does not count. A row is left out only for a reason that does not look at its
error (`benchmarks.published.stated`); the reasons are counted. `borderline` contradicts no outcome.
"""

import argparse
import json
import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.memory_rows import REFERENCE, Row
from benchmarks.published.comparison import Comparison, comparisons, read_rows
from benchmarks.published.stated import CONFIGURATION, FIGURE, reasons

IN_REFERENCE = Path("measured") / "memory.json"
PUBLISHED = REFERENCE / IN_REFERENCE


def rows(path: Path = PUBLISHED) -> Iterator[Row]:
    """The peaks that torch allocated, for the comparison of estimators."""
    if path.exists():
        for each in comparisons(read_rows(path)):
            if each.kind == "allocated" and each.measured is not None:
                yield Row("published peaks", each.plan, each.measured)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all are not above."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def summary(found: Sequence[Comparison]) -> dict[str, Any]:
    """Errors, coverage and outcomes of some rows."""
    figures = [each for each in found if each.measured is not None]
    errors = [abs(each.error) for each in figures]
    return {
        "rows": len(figures),
        "median": statistics.median(errors) if errors else None,
        "signed": statistics.median(each.error for each in figures) if errors else None,
        "p90": quantile(errors, 0.9) if errors else None,
        "within_15": sum(error <= 0.15 for error in errors) / len(errors) if errors else None,
        "covered": sum(each.covered for each in figures) / len(figures) if figures else None,
        "half_width": statistics.median(each.half_width for each in figures) if figures else None,
        "outcomes": len(found),
        "right": sum(each.right for each in found),
        "borderline": sum(each.estimate.verdict == "borderline" for each in found),
        "said_to_fit_and_ran_out": sum(each.ran_out and each.estimate.verdict == "fits" for each in found),
    }


def left_out(path: Path) -> dict[str, dict[str, int]]:
    """How many rows are left out for which reason, of all and of those with a stated configuration."""
    counted: dict[str, Counter[str]] = {"configuration": Counter(), "figure": Counter()}
    for row in read_rows(path):
        first = next(reasons(row, CONFIGURATION), None)
        second = next(reasons(row, FIGURE), None)
        if first is not None:
            counted["configuration"][first] += 1
        elif second is not None:
            counted["figure"][second] += 1
    return {name: dict(counts.most_common()) for name, counts in counted.items()}


def results(path: Path = PUBLISHED) -> dict[str, Any]:
    """The table, by family and in all."""
    found = list(comparisons(read_rows(path)))
    families = dict.fromkeys(each.family for each in found)
    return {
        "families": {name: summary([each for each in found if each.family == name]) for name in families},
        "all": summary(found),
        "left_out": left_out(path),
    }


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def show(found: dict[str, Any]) -> None:
    """The results as a table, and the reasons for which rows are left out."""
    from rich.console import Console
    from rich.table import Table

    heads = ("rows", "median", "signed", "90%", "within 15%", "covered", "half-width", "outcomes right", "borderline")
    table = Table("family", *heads)
    for name, row in [*found["families"].items(), ("all", found["all"])]:
        if name == "all":
            table.add_section()
        shares = [_percent(row[key]) for key in ("median", "signed", "p90", "within_15", "covered", "half_width")]
        table.add_row(name, str(row["rows"]), *shares, f"{row['right']}/{row['outcomes']}", str(row["borderline"]))
    console = Console(width=150)
    console.print(table)
    for name, counts in found["left_out"].items():
        console.print(f"left out for their {name}:")
        for reason, count in counts.items():
            console.print(f"  {count:4} {reason}", highlight=False)


def show_rows(found: Iterable[Comparison]) -> None:
    """One line a row: family, error, expected and measured GiB, verdict."""
    for each in found:
        measured = (
            "" if each.measured is None else f"{each.error:+7.1%} of {each.measured / 2**30:7.2f} GiB {each.kind}"
        )
        outcome = "ran out" if each.ran_out else "ran"
        print(f"{each.family:34} {each.identity:32} {measured:34} {outcome}, {each.estimate.verdict}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rows", action="store_true", help="print every row")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="folder of the reference data")
    options = parser.parse_args(arguments)
    path = options.reference / IN_REFERENCE
    if not path.is_file():
        print(f"no published measurements: {path} does not exist (--reference says where they lie)", file=sys.stderr)
    elif options.rows:
        show_rows(comparisons(read_rows(path)))
    elif options.json:
        print(json.dumps(results(path), indent=1))
    else:
        show(results(path))


if __name__ == "__main__":
    main()
