"""Below the table of `memory`: the phases of the fullest stage, and what would lower its largest terms."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from ftspec.checked import Job
from ftspec.memory.estimate_model import MemoryEstimate
from ftspec.memory.overhead import cublas_workspace, fragmentation, nccl, outside_torch, unmodelled
from ftspec.memory.padding import padding_by_stage
from ftspec.memory.phases import phases_of
from ftspec.reports.amounts import phrase, unit_of
from ftspec.rules.advice import Advice

_BAR_WIDTH = 30
_WIDEST = 120
_SHOWN_PADDING = 0.001
"""Of the states: less padding than this is not worth a line."""
_STATES = ("parameters", "gradients", "master_parameters", "optimizer_states")


def phase_lines(job: Job, width: int) -> Iterator[str]:
    """The parts of the step, each at its highest, with a bar as long as it is high."""
    memory = job.memory
    stage, unit = memory.fullest, unit_of(memory.peak_bytes)
    phases = phases_of(job.plan)[stage.pipeline_stage]
    names = max(len(phase.name) for phase in phases)
    sizes = max(len(unit.of(phase.allocated_bytes)) for phase in phases)
    yield ""
    words = (
        f"{_stage(memory)} peaks in the phase {phrase(stage.phase)}. {unit.name} allocated at the most in each phase:"
    )
    yield from _wrapped(words, width)
    for phase in phases:
        share = phase.allocated_bytes / stage.allocated_peak_bytes
        mark = " ◀" if phase.name == stage.phase else ""
        bar = "▪" * round(share * _BAR_WIDTH)
        yield f"  {phrase(phase.name):<{names}}  {unit.of(phase.allocated_bytes):>{sizes}}  {bar}{mark}"


def padding_lines(job: Job) -> Iterator[str]:
    """How much of the fullest stage's states is padding; none where that is next to nothing."""
    stage = job.memory.fullest
    padding, states = padding_by_stage(job.plan)[stage.pipeline_stage], sum(stage.terms[name] for name in _STATES)
    if padding and padding >= _SHOWN_PADDING * states:
        amount = unit_of(padding).said(padding)
        yield f"{amount} are padding, {padding / states:.1%} of the states: shards and the vocabulary are rounded up"


def _stage(memory: MemoryEstimate) -> str:
    return f"Stage {memory.fullest.pipeline_stage}" if len(memory.stages) > 1 else "The job"


def advice_lines(advice: Sequence[Advice], memory: MemoryEstimate, width: int) -> Iterator[str]:
    """The largest terms, each with what lowers it. A change that an earlier term told is only named again."""
    where = f" of stage {memory.fullest.pipeline_stage}" if len(memory.stages) > 1 else ""
    yield ""
    yield from _wrapped(f"The largest terms{where}, and what lowers each, tried on the whole job:", width)
    told: set[str] = set()
    for term, rows in groupby(advice, lambda each: each.term):
        for number, each in enumerate(rows):
            head = f"  {phrase(term)} {unit_of(memory.peak_bytes).said(each.bytes)}: " if number == 0 else "    or "
            yield from _wrapped(head + _said(each, told, memory), width, "      ")
            told.add(each.change or "")


def overhead_lines(job: Job, width: int) -> Iterator[str]:
    """What the framework's overhead on the fullest stage consists of."""
    stage, plan = job.memory.fullest, job.plan
    overhead = stage.terms["framework_overhead"]
    if overhead == 0:
        return
    connections = nccl(plan)
    parts = {
        "CUDA context": outside_torch(plan) - connections,
        "NCCL's buffers": connections,
        "cuBLAS's workspace": cublas_workspace(plan),
        "fragmentation": fragmentation(plan, stage.allocated_peak_bytes),
        "what runs took beyond any formula": unmodelled(plan, stage.allocated_peak_bytes),
    }
    parts["blocks of other streams"] = overhead - sum(parts.values())
    unit = unit_of(stage.peak_bytes)
    said = ", ".join(f"{name} {unit.of(count)}" for name, count in parts.items() if count)
    yield from _wrapped(f"  framework overhead {unit.said(overhead)}: {said}", width, "      ")


def _said(advice: Advice, told: set[str], memory: MemoryEstimate) -> str:
    if advice.change is None:
        return "no change that was tried lowers it and saves 2% of the peak"
    if advice.change in told:
        return f"{advice.change}, as above"
    fits = ", makes it fit," if advice.fits and memory.verdict != "fits" else ""
    warned = f"; it draws {', '.join(advice.warnings)}" if advice.warnings else ""
    return (
        f"{advice.change} saves {unit_of(memory.peak_bytes).said(advice.saves_bytes)}{fits} and {advice.cost}{warned}"
    )


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, min(width, _WIDEST), subsequent_indent=indent, break_long_words=False)
