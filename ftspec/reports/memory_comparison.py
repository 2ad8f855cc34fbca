"""`memory --what-if`: the fullest stage as it is and as it would be, side by side, term by term."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from rich.console import RenderableType
from rich.table import Table

from ftspec.checked import Job
from ftspec.memory.estimate_model import TERMS, StageMemory
from ftspec.reports.amounts import Unit, escaped, layout_in_words, phrase, unit_of, verdict_in_words
from ftspec.reports.job_report import Otherwise

_TERM_WIDTH, _COLUMN_WIDTH = 42, 27


def comparison(job: Job, what_if: Sequence[tuple[Otherwise, Job | None]], width: int) -> Iterator[RenderableType]:
    """What each number stands for, and tables of as many columns as the width has room for."""
    for number, (otherwise, other) in enumerate(what_if, 1):
        refused = "" if other else f": [red]refused[/red] ({escaped(_why(otherwise))})"
        yield f"what if {number}: {escaped(', '.join(otherwise.settings))}{refused}"
    unit = _unit([job, *(other for _, other in what_if if other)])
    yield f"[dim]{unit.name} on the most loaded GPU of the fullest stage[/dim]"
    columns = [(number, other) for number, (_, other) in enumerate(what_if, 1) if other is not None]
    room = max(1, (width - _TERM_WIDTH) // _COLUMN_WIDTH)
    for start in range(0, max(1, len(columns)), room):
        yield _table(job, columns[start : start + room], unit)


def _why(otherwise: Otherwise) -> str:
    if not otherwise.refused:
        return "nothing runs on this stack then"
    return ", ".join(dict.fromkeys(each.code for each in otherwise.findings if each.severity == "error"))


def _table(job: Job, columns: Sequence[tuple[int, Job]], unit: Unit) -> Table:
    jobs = [other for _, other in columns]
    table = Table()
    table.add_column("term", no_wrap=True)
    table.add_column("as it is", justify="right")
    for number, _ in columns:
        table.add_column(f"what if {number}", justify="right")
        table.add_column("change", justify="right", style="dim")
    everything = [job, *jobs]
    for term in TERMS:
        if any(each.memory.fullest.terms.get(term) for each in everything):
            _add_amounts(table, unit, phrase(term), everything, partial(_bytes_of, term))
    table.add_section()
    _add_amounts(table, unit, "allocated peak", everything, lambda stage: stage.allocated_peak_bytes)
    _add_amounts(table, unit, "peak", everything, lambda stage: stage.peak_bytes, "bold")
    _add_words(table, "at its peak in", everything, lambda each: phrase(each.memory.fullest.phase))
    _add_words(table, "pipeline stage", everything, lambda each: str(each.memory.fullest.pipeline_stage))
    _add_words(table, "usable", everything, lambda each: unit.of(each.memory.capacity_bytes))
    if any(each.memory.host.bytes_per_node for each in everything):
        _add_words(table, "a node's main memory", everything, partial(_host, unit))
    _add_words(table, "layout", everything, lambda each: layout_in_words(each.plan))
    _add_words(table, "ZeRO stage", everything, lambda each: str(each.plan.parallelism.zero_stage))
    _add_words(table, "verdict", everything, lambda each: verdict_in_words(each.memory))
    return table


def _host(unit: Unit, job: Job) -> str:
    host = job.memory.host
    return f"{unit.of(host.bytes_per_node)}{' too much' if host.verdict == 'does_not_fit' else ''}"


def _unit(jobs: Sequence[Job]) -> Unit:
    return unit_of(max(job.memory.fullest.peak_bytes for job in jobs))


def _bytes_of(term: str, stage: StageMemory) -> int:
    return stage.terms.get(term, 0)


def _add_amounts(
    table: Table,
    unit: Unit,
    name: str,
    jobs: Sequence[Job],
    amount: Callable[[StageMemory], int],
    style: str | None = None,
) -> None:
    base, *others = (amount(job.memory.fullest) for job in jobs)
    cells = [cell for other in others for cell in (unit.of(other), unit.signed(other - base))]
    table.add_row(name, unit.of(base), *cells, style=style)


def _add_words(table: Table, name: str, jobs: Sequence[Job], words: Callable[[Job], str]) -> None:
    base, *others = map(words, jobs)
    table.add_row(name, base, *(cell for other in others for cell in (other, "")), style="dim")
