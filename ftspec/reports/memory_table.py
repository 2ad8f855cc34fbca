"""`memory`: a report to understand at a glance: terms down, pipeline stages across, the fullest one marked; the phases
of the fullest stage; and what would lower its largest terms.
"""

import sys
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from ftspec.memory.estimate_model import TERMS, MemoryEstimate, StageMemory
from ftspec.reports.amounts import Unit, escaped, gib, layout_in_words, phrase, unit_of, verdict_in_words
from ftspec.reports.job_report import JobReport
from ftspec.reports.memory_advice import advice_lines, overhead_lines, padding_lines, phase_lines
from ftspec.reports.memory_comparison import comparison
from ftspec.reports.memory_host import host_lines, host_verdict

_STYLES = {"fits": "green", "borderline": "yellow", "does_not_fit": "red"}
_BAR_WIDTH = 40
_MOST_COLUMNS = 8
_TERM_WIDTH, _COLUMN_WIDTH = 26, 13
_PIPE_WIDTH = 160
"""A pipe has no width that the output could be cut to: as wide as the table needs."""


def print_memory(reports: Iterable[JobReport], width: int | None = None) -> None:
    """Print one report a job to standard output, `width` columns wide: the terminal's unless told."""
    piped = not sys.stdout.isatty()
    console = Console(
        file=sys.stdout,
        highlight=False,
        soft_wrap=piped and width is None,
        width=width or (_PIPE_WIDTH if piped else None),
    )
    for report in reports:
        _print_job(console, report)


def _print_job(console: Console, report: JobReport) -> None:
    job = report.job
    plan, memory = job.plan, job.memory
    model = f"{escaped(plan.model.id)}, {plan.model.parameters:,} parameters"
    batch = f"micro-batch {plan.training.micro_batch_size} × {plan.training.sequence_length:,} tokens"
    console.print(f"[bold]{escaped(plan.name)}[/bold] on {plan.training.stack}: {model}")
    layout = f"{layout_in_words(plan)}, ZeRO {plan.parallelism.zero_stage}"
    console.print(f"{plan.hardware.world_size} × {escaped(plan.hardware.gpu)}, {layout}, {batch}")
    if report.what_if:
        for line in comparison(job, report.what_if, console.width):
            console.print(line)
    else:
        columns = _columns(memory, _room(console.width))
        console.print(f"[dim]{_title(columns, memory)}[/dim]")
        console.print(_table(columns, memory))
        refused = host_verdict(memory.host)
        if refused:
            console.print(f"[bold red]{refused}[/bold red]")
        console.print(_verdict(memory, console.width))
        host, phases = host_lines(memory.host), phase_lines(job, console.width)
        advice = advice_lines(report.advice, memory, console.width)
        lines = (*host, *padding_lines(job), *phases, *advice, *overhead_lines(job, console.width))
        console.print("\n".join(map(escaped, lines)))
    console.print()


def _columns(memory: MemoryEstimate, most: int) -> list[tuple[StageMemory, ...]]:
    """Neighbours that are alike share a column. Of more columns than there is room for, or than a glance takes in, the
    ends, the fullest, and one of those between, nearest to the middle.
    """
    alike = [
        tuple(stages) for _, stages in groupby(memory.stages, lambda stage: (tuple(stage.terms.items()), stage.phase))
    ]
    if len(alike) <= most:
        return alike
    kept = [each for each in (alike[0], alike[-1]) if memory.fullest not in each]
    kept.append(next(stages for stages in alike if memory.fullest in stages))
    between = [stages for stages in alike[1:-1] if stages not in kept]
    if len(kept) < most:
        middle = len(memory.stages) - 1
        kept.append(min(between, key=lambda stages: abs(stages[0].pipeline_stage + stages[-1].pipeline_stage - middle)))
    return [stages for stages in alike if stages in kept]


def _heading(stages: Sequence[StageMemory], memory: MemoryEstimate) -> str:
    first, last = stages[0].pipeline_stage, stages[-1].pipeline_stage
    mark = " ◀" if len(memory.stages) > 1 and memory.fullest in stages else ""
    return f"stage {first}{mark}" if first == last else f"stages {first}-{last}{mark}"


def _room(width: int) -> int:
    """How many columns a width has room for."""
    return max(2, min(_MOST_COLUMNS, (width - _TERM_WIDTH) // _COLUMN_WIDTH))


def _unit(memory: MemoryEstimate) -> Unit:
    return unit_of(memory.fullest.peak_bytes)


def _title(columns: Sequence[Sequence[StageMemory]], memory: MemoryEstimate) -> str:
    shown = sum(map(len, columns))
    some = "" if shown == len(memory.stages) else f"; {shown} of {len(memory.stages)} stages"
    return f"{_unit(memory).name} on the most loaded GPU of each pipeline stage{some}"


def _table(columns: Sequence[Sequence[StageMemory]], memory: MemoryEstimate) -> Table:
    """Terms by stage."""
    table, unit = Table(), _unit(memory)
    table.add_column("term", no_wrap=True)
    for stages in columns:
        table.add_column(_heading(stages, memory), justify="right")
    each = [stages[0] for stages in columns]
    for term in TERMS:
        if any(stage.terms.get(term) for stage in memory.stages):
            table.add_row(phrase(term), *(unit.of(stage.terms.get(term, 0)) for stage in each))
    table.add_section()
    table.add_row("allocated peak", *(unit.of(stage.allocated_peak_bytes) for stage in each))
    table.add_row("peak", *(unit.of(stage.peak_bytes) for stage in each), style="bold")
    table.add_row("at its peak in", *(phrase(stage.phase) for stage in each), style="dim")
    return table


def _verdict(memory: MemoryEstimate, width: int) -> str:
    share = memory.peak_bytes / memory.capacity_bytes
    style, verdict = _STYLES[memory.verdict], verdict_in_words(memory)
    (low, high), unit = memory.interval_bytes, _unit(memory)
    amounts = (
        f": {unit.said(memory.peak_bytes)} (between {unit.of(low)} and {unit.of(high)})"
        f" of {gib(memory.capacity_bytes)} GiB usable, {share:.0%}"
    )
    long = max(0, min(_BAR_WIDTH, width - len(verdict + amounts) - 1))
    filled = min(long, round(share * long))
    bar = f"[{style}]{'█' * filled}[/{style}]{'░' * (long - filled)} " if long else ""
    return f"{bar}[bold {style}]{verdict}[/bold {style}]{amounts}"
