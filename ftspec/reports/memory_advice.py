"""Below the table of `memory`: the phases of the fullest stage, and what would lower its largest terms."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from ftspec.checked import Job
from ftspec.memory.estimate_model import MemoryEstimate
from ftspec.memory.phases import phases_of
from ftspec.reports.amounts import gib, phrase
from ftspec.rules.advice import Advice

_BAR_WIDTH = 30
_WIDEST = 120


def phase_lines(job: Job, width: int) -> Iterator[str]:
    """The parts of the step, each at its highest, with a bar as long as it is high."""
    memory = job.memory
    stage = memory.fullest
    phases = phases_of(job.plan)[stage.pipeline_stage]
    names = max(len(phase.name) for phase in phases)
    sizes = max(len(gib(phase.allocated_bytes)) for phase in phases)
    yield ""
    words = f"{_stage(memory)} peaks in the phase {phrase(stage.phase)}. GiB allocated at the most in each phase:"
    yield from _wrapped(words, width)
    for phase in phases:
        share = phase.allocated_bytes / stage.allocated_peak_bytes
        mark = " ◀" if phase.name == stage.phase else ""
        bar = "▪" * round(share * _BAR_WIDTH)
        yield f"  {phrase(phase.name):<{names}}  {gib(phase.allocated_bytes):>{sizes}}  {bar}{mark}"


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
            head = f"  {phrase(term)} {gib(each.bytes)} GiB: " if number == 0 else "    or "
            yield from _wrapped(head + _said(each, told), width, "      ")
            told.add(each.change or "")


def _said(advice: Advice, told: set[str]) -> str:
    if advice.change is None:
        shared = advice.term == "framework_overhead"
        return "a share of the other terms, beside what a process takes" if shared else "no change lowers it here"
    if advice.change in told:
        return f"{advice.change}, as above"
    return f"{advice.change} saves {gib(advice.saves_bytes)} GiB and {advice.cost}"


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, min(width, _WIDEST), subsequent_indent=indent, break_long_words=False)
