"""`memory`: a table to understand at a glance: terms down, pipeline stages across, the fullest one marked."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from ftspec.checked import Checked, Job
from ftspec.memory.estimate_model import TERMS, MemoryEstimate

_GIB = 2**30
_STYLES = {"fits": "green", "borderline": "yellow", "does_not_fit": "red"}
_WORDS = {"fits": "fits", "borderline": "borderline", "does_not_fit": "does not fit"}
_BAR_WIDTH = 40
_STAGES_SHOWN = 8


def print_memory(results: Iterable[Checked]) -> None:
    """Print one table a job to standard output."""
    # Not a terminal: as wide as the table needs, since a pipe has no width that it could be cut to.
    console = Console(
        file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 160
    )
    for result in results:
        for job in result.jobs:
            _print_job(console, job)


def _gib(number: int) -> str:
    return f"{number / _GIB:,.2f}"


def _print_job(console: Console, job: Job) -> None:
    plan, memory = job.plan, job.memory
    layout = plan.parallelism
    degrees = {"TP": layout.tensor, "PP": layout.pipeline, "CP": layout.context, "EP": layout.expert, "DP": layout.data}
    shown = " ".join(f"{name}{degree}" for name, degree in degrees.items() if degree > 1 or name == "DP")
    batch = f"micro-batch {plan.training.micro_batch_size} × {plan.training.sequence_length:,} tokens"
    model = f"{_escaped(plan.model.id)}, {plan.model.parameters:,} parameters"
    console.print(f"[bold]{_escaped(plan.name)}[/bold] on {plan.training.stack}: {model}")
    console.print(
        f"{plan.hardware.world_size} × {_escaped(plan.hardware.gpu)}, {shown}, ZeRO {layout.zero_stage}, {batch}"
    )
    console.print(_table(memory))
    console.print(_verdict(memory))
    console.print()


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _table(memory: MemoryEstimate) -> Table:
    """Terms by stage in GiB. Of a deep pipeline the ends and the fullest stages are shown; the others lie between."""
    stages = memory.stages
    if len(stages) > _STAGES_SHOWN:
        fullest = sorted(stages, key=lambda stage: -stage.peak_bytes)[: _STAGES_SHOWN - 2]
        kept = {stage.pipeline_stage for stage in (stages[0], stages[-1], *fullest)}
        stages = tuple(stage for stage in stages if stage.pipeline_stage in kept)
    table = Table(
        title="GiB on the most loaded GPU of each pipeline stage, at its peak", title_justify="left", title_style="dim"
    )
    table.add_column("term")
    for stage in stages:
        mark = " ◀" if len(stages) > 1 and stage is memory.fullest else ""
        table.add_column(f"stage {stage.pipeline_stage}{mark}", justify="right")
    for term in TERMS:
        if any(stage.terms.get(term) for stage in stages):
            table.add_row(term.replace("_", " "), *(_gib(stage.terms.get(term, 0)) for stage in stages))
    table.add_section()
    table.add_row("allocated peak", *(_gib(stage.allocated_peak_bytes) for stage in stages))
    table.add_row("peak", *(_gib(stage.peak_bytes) for stage in stages), style="bold")
    table.add_row("at its peak in", *(stage.phase.replace("_", " ") for stage in stages), style="dim")
    return table


def _verdict(memory: MemoryEstimate) -> str:
    share = memory.peak_bytes / memory.capacity_bytes
    filled = min(_BAR_WIDTH, round(share * _BAR_WIDTH))
    style = _STYLES[memory.verdict]
    low, high = memory.interval_bytes
    bar = f"[{style}]{'█' * filled}[/{style}]{'░' * (_BAR_WIDTH - filled)}"
    return (
        f"{bar} [bold {style}]{_WORDS[memory.verdict]}[/bold {style}]: {_gib(memory.peak_bytes)} GiB "
        f"(between {_gib(low)} and {_gib(high)}) of {_gib(memory.capacity_bytes)} GiB usable, {share:.0%}"
    )
