"""Write what is generated about memory: the tables of docs/memory.md, the report in README.md, and the golden texts
of tests/commands.
"""

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ftspec.memory.terms import Work, facts_of, symbols, terms, work_of
from ftspec.pipeline import check_text
from ftspec.reports.job_report import job_reports, otherwise
from ftspec.reports.memory_table import print_memory
from ftspec.spec.field_tables import between

ROOT = Path(__file__).resolve().parent.parent
PAGE, README = ROOT / "docs" / "memory.md", ROOT / "README.md"
GOLDEN = ROOT / "tests" / "commands" / "golden"
RESULTS = ROOT / "benchmarks" / "results" / "memory_accuracy.json"
SHOWN = ("llama-3.1-8b-zero3.ft", ("training.activation_checkpointing=none",), ())
"""What the README shows: an example, settings, and what-ifs."""
GOLDEN_REPORTS = {
    "one_stage": SHOWN,
    "pipeline": ("llama-3.1-405b-pretrain.ft", (), ()),
    "what_if": ("deepseek-r1-70b.ft", (), (("parallelism.tensor=4",), ("parallelism.tensor=3",))),
}
WIDTH = 100


def term_table() -> str:
    """Every term with its formula."""
    rows = [f"| `{term.name}` | {term.meaning} | {'<br>'.join(term.formula)} |" for term in terms().values()]
    letters = ", ".join(f"{letter} = `{path}`" for letter, path in symbols().items())
    return "\n".join(["| term | what it is | formula |", "| --- | --- | --- |", *rows, "", f"Letters: {letters}."])


def functions() -> str:
    """Of every term the functions that work it out, with their docstrings; and the numbers about frameworks."""
    parts = [f"### `{term.name}`\n\n" + "\n".join(map(_function, work_of(term))) for term in terms().values()]
    facts = {fact.name: fact for term in terms().values() for fact in facts_of(term)}
    numbers = [f"- `{fact.name}` = {fact.value:,}: {_one_line(fact.source)}" for fact in facts.values()]
    return "\n\n".join([*parts, "### Numbers about frameworks\n\n" + "\n".join(numbers)])


def _function(work: Work) -> str:
    return f"- `{work.name}` ([{work.file}](../{work.file})): {_one_line(work.doc)}"


def _one_line(doc: str) -> str:
    return " ".join(doc.split()).replace("<", "&lt;")


def accuracy_table() -> str:
    """Errors by judge, stack and method: ours, and those of other tools where they can express the rows."""
    found: Mapping[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    head = "| judge | stack | method | tool | rows | median | 95% | worst |"
    rows = [_accuracy_row(row) for row in found["rows"] if row["covered"]]
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return "\n".join([head, "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |", *rows, "", f"With {versions}."])


def _accuracy_row(row: Mapping[str, Any]) -> str:
    covered = f"{row['covered']}" if row["covered"] == row["rows"] else f"{row['covered']} of {row['rows']}"
    errors = " | ".join(_percent(row[name]) for name in ("median", "p95", "worst"))
    return f"| {row['judge']} | {row['stack']} | {row['method']} | {row['tool']} | {covered} | {errors} |"


def _percent(error: float) -> str:
    """Two digits that count."""
    return f"{float(f'{100 * error:.2g}'):.10g}%" if error >= 1e-6 else "0%"


def report(example: str, settings: tuple[str, ...], what_if: tuple[tuple[str, ...], ...]) -> str:
    """What `ftspec memory` prints of an example."""
    checked = check_text((ROOT / "examples" / example).read_text(encoding="utf-8"), example, settings)
    others = [otherwise(checked, settings, more) for more in what_if]
    printed = io.StringIO()
    with redirect_stdout(printed):
        print_memory(job_reports(checked, others), WIDTH)
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines()) + "\n"


def page(text: str) -> str:
    """docs/memory.md with its generated parts brought up to date."""
    for name, part in (("terms", term_table()), ("functions", functions()), ("accuracy", accuracy_table())):
        text = text.replace(between(text, name), part)
    return text


def readme(text: str) -> str:
    """README.md with the report that it shows brought up to date."""
    return text.replace(between(text, "memory"), f"```\n{report(*SHOWN)}```")


def main() -> None:
    """Bring all of it up to date."""
    for path, updated in ((PAGE, page), (README, readme)):
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
    GOLDEN.mkdir(exist_ok=True)
    for name, shown in GOLDEN_REPORTS.items():
        (GOLDEN / f"memory_{name}.txt").write_text(report(*shown), encoding="utf-8")


if __name__ == "__main__":
    main()
