"""The memory of many layouts at once: the same formulas, on arrays."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

from ftspec.memory.activations import others_in_flight
from ftspec.memory.communication.fsdp2 import gathered_root
from ftspec.memory.communication.torch_pipeline import TORCH_PIPELINES
from ftspec.memory.estimate import checkpointed_together
from ftspec.memory.kinds import Kinds, kinds_of
from ftspec.memory.moments import stage_moments
from ftspec.memory.numbers import largest
from ftspec.memory.offload import on_device
from ftspec.memory.outline import Outline, Section, Turn, sections
from ftspec.memory.overhead import STREAMS_APART, fixed_overhead, framework_overhead, other_streams
from ftspec.memory.states import stage_states
from ftspec.memory.step.frame import Frame, keeps_gradients, shared_by_stages
from ftspec.plan.megatron_settings import end_stages
from ftspec.plan.model import Plan
from ftspec.plan.stages import lay_out_stages

Numbers = NDArray[numpy.int64]
Columns = Mapping[str, NDArray[Any]]
"""Values by plan path (`parallelism.tensor`), one for each layout."""

NUMBERS = frozenset(
    {
        "parallelism.pipeline",
        "parallelism.data",
        "parallelism.context",
        "training.micro_batch_size",
        "training.global_batch_size",
        "training.gradient_accumulation_steps",
        "training.sequence_length",
    }
)
"""Plan values that the formulas take as arrays. Whatever else varies divides the layouts into groups."""

BLOCK = 2**14
"""Layouts that are worked on at a time: their arrays stay in a core's cache."""


class Batch(NamedTuple):
    """Bytes of each layout's fullest stage: of its tensors, and with the framework's overhead."""

    allocated_peak_bytes: Numbers
    peak_bytes: Numbers


def estimate_batch(plan: Plan, columns: Columns) -> Batch:
    """The memory of the layouts that `plan` becomes with the values of each row of `columns`.

    Raises KeyError for a path that a plan does not have.
    """
    rows = len(next(iter(columns.values())))
    batch = Batch(numpy.zeros(rows, numpy.int64), numpy.zeros(rows, numpy.int64))
    for values, members in _groups(columns, rows):
        grouped = _with_values(plan, values)
        for start in range(0, len(members), BLOCK):
            block = members[start : start + BLOCK]
            allocated, peak = _estimate(grouped, {path: columns[path][block] for path in columns if path in NUMBERS})
            batch.allocated_peak_bytes[block], batch.peak_bytes[block] = allocated, peak
    return batch


def _groups(columns: Columns, rows: int) -> Iterator[tuple[dict[str, Any], Numbers]]:
    """The rows that agree in everything that is not a number, in whether they accumulate gradients and have stages."""
    code = numpy.zeros(rows, numpy.int64)
    named = {path: values for path, values in columns.items() if path not in NUMBERS}
    decoded: list[tuple[str, NDArray[Any], int]] = []
    size = 1
    accumulates, staged = (columns.get(path, numpy.ones(rows, numpy.int64)) > 1 for path in (_STEPS, _PIPELINE))
    for path, values in (*named.items(), ("", accumulates), ("", staged)):
        distinct = numpy.unique(values)
        code += numpy.searchsorted(distinct, values) * size
        decoded.append((path, distinct, size))
        size *= len(distinct)
    order = numpy.argsort(code, kind="stable")
    borders = numpy.flatnonzero(numpy.diff(code[order])) + 1
    for members in numpy.split(order, borders):
        first = int(code[members[0]])
        yield (
            {path: distinct[first // step % len(distinct)].item() for path, distinct, step in decoded if path},
            members,
        )


def _with_values(plan: Plan, values: Mapping[str, Any]) -> Plan:
    """The plan with other values at some paths: numbers, or arrays in the place of numbers."""
    blocks: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        block, _, name = path.partition(".")
        if not hasattr(getattr(plan, block, None), name):
            raise KeyError(path)
        blocks.setdefault(block, {})[name] = value
    return replace(plan, **{block: replace(getattr(plan, block), **named) for block, named in blocks.items()})


def _estimate(plan: Plan, columns: Columns) -> tuple[Numbers, Numbers]:
    """Layouts that differ in numbers alone."""
    rows = len(next(iter(columns.values()), numpy.zeros(1)))
    allocated, needed = numpy.zeros(rows, numpy.int64), numpy.zeros(rows, numpy.int64)
    kinds = kinds_of(plan)
    pipelines = columns.get(_PIPELINE, numpy.full(rows, plan.parallelism.pipeline))
    first = {path: int(columns[path][0]) for path in (_STEPS, _PIPELINE) if path in columns}
    builds_up = keeps_gradients(_with_values(plan, first))
    whole = _with_values(plan, columns)
    fixed = numpy.broadcast_to(fixed_overhead(whole), rows)
    for section, members in _sections(plan, kinds, pipelines):
        if members is None:
            peak, total = _section_peak(whole, kinds, section, builds_up, fixed)
            allocated, needed = numpy.maximum(allocated, peak), numpy.maximum(needed, total)
        else:
            part = _with_values(plan, {path: values[members] for path, values in columns.items()})
            peak, total = _section_peak(part, kinds, section, builds_up, fixed[members])
            allocated[members] = numpy.maximum(allocated[members], peak)
            needed[members] = numpy.maximum(needed[members], total)
    return allocated, needed


_PIPELINE = "parallelism.pipeline"
_STEPS = "training.gradient_accumulation_steps"


def _section_peak(plan: Plan, kinds: Kinds, section: Section, builds_up: bool, fixed: Any) -> tuple[Any, Any]:
    """Bytes of tensors at the peak of like stages, and with the framework's overhead, by layout."""
    frame = Frame(shared_by_stages(plan, kinds, builds_up), section)
    states = on_device(plan, stage_states(plan, kinds, section))
    others = others_in_flight(frame, section.pipeline_stage)
    moments = stage_moments(frame, states, builds_up)
    held = states.parameters + states.master_parameters + states.optimizer_states
    allocated = held + _highest([(moment.total, moment.in_flight) for moment in moments], others)
    aside = 0
    if plan.training.stack in STREAMS_APART:
        without = held + _highest([(moment.main_stream, moment.in_flight) for moment in moments], others)
        aside = other_streams(gathered_root(frame), states.gradients, allocated, without)
    return allocated, allocated + framework_overhead(plan, fixed, allocated, aside)


def _highest(totals: list[tuple[Any, int]], others: Any) -> Any:
    """The highest of the moments, some of which have other micro-batches in flight beside them."""
    alone, beside = 0, 0
    for total, in_flight in totals:
        if in_flight:
            beside = largest(beside, total)
        else:
            alone = largest(alone, total)
    return largest(alone, beside + others)


def _sections(plan: Plan, kinds: Kinds, pipelines: Numbers) -> Iterator[tuple[Section, Numbers | None]]:
    """The stages that may be the fullest, alike ones of different pipelines as one section of arrays, with the layouts
    that have them (None: all).
    """
    distinct = numpy.flatnonzero(numpy.bincount(pipelines))
    inverse = numpy.searchsorted(distinct, pipelines)
    virtual, every = max(1, plan.parallelism.virtual_pipeline), checkpointed_together(plan)
    ends, ahead = end_stages(plan.training.stack, plan.megatron), plan.training.stack in TORCH_PIPELINES
    for found in _alike(kinds, tuple(distinct.tolist()), virtual, every, ends, ahead):
        if len(found) == len(distinct):
            yield _stacked(list(found.values()), inverse), None
            continue
        place = numpy.full(len(distinct), -1)
        place[list(found)] = range(len(found))
        places = place[inverse]
        members = numpy.flatnonzero(places >= 0)
        yield _stacked(list(found.values()), places[members]), members


@cache
def _alike(
    kinds: Kinds, pipelines: tuple[int, ...], virtual: int, every: int, ends: tuple[int, int], ahead: bool
) -> list[dict[int, Section]]:
    """The stages of several pipelines that have the same kinds of layers and the same ends, by the pipeline's index."""
    alike: dict[object, dict[int, Section]] = {}
    for index, pipeline in enumerate(pipelines):
        for slot, section in enumerate(_candidates(kinds, pipeline, virtual, every, ends, ahead)):
            last = section.outline.last
            key = (section.outline.kinds, last and last.kind, section.embedding, section.head, slot)
            alike.setdefault(key, {})[index] = section
    return list(alike.values())


def _candidates(
    kinds: Kinds, pipeline: int, virtual: int, every: int, ends: tuple[int, int], ahead: bool
) -> list[Section]:
    """The stages of a pipeline that no other one covers: of stages with the same layers the first has the most
    micro-batches in flight, so a later one matters only if it has the head. Where stages allocate `ahead` what they
    receive, the first one receives less than the next.
    """
    stages = lay_out_stages(len(kinds.of_layer), pipeline, virtual, *ends)
    found = [section for section, _ in sections(kinds, stages, every)]
    first: dict[tuple[Outline, bool], Section] = {}
    for section in found:
        first.setdefault((section.outline, section.embedding and ahead), section)
    kept = {id(section) for section in first.values()}
    return [section for section in found if section.head or id(section) in kept]


def _stacked(found: list[Section], places: Numbers) -> Section:
    """Sections as one, whose counts are arrays; equal ones stay numbers."""
    if len(found) == 1:
        return found[0]

    def stack(numbers: list[int]) -> Any:
        return numbers[0] if len(set(numbers)) == 1 else numpy.array(numbers)[places]

    def stack_all(each: list[tuple[int, ...]]) -> tuple[Any, ...]:
        return tuple(stack(list(numbers)) for numbers in zip(*each, strict=True))

    def stack_turns(turns: tuple[Turn, ...]) -> Turn:
        return Turn(
            turns[0].kind,
            stack_all([turn.stored for turn in turns]),
            stack_all([turn.again for turn in turns]),
            stack_all([turn.above for turn in turns]),
            stack([turn.starts_group for turn in turns]),
            stack([turn.has_below for turn in turns]),
            stack([turn.has_above for turn in turns]),
        )

    outlines = [section.outline for section in found]
    lasts = [each.last for each in outlines if each.last is not None]
    stacked = Outline(
        outlines[0].kinds,
        stack_all([each.counts for each in outlines]),
        stack_all([each.stored for each in outlines]),
        stack_turns(tuple(lasts)) if lasts else None,
        tuple(stack_turns(turns) for turns in zip(*(each.turns for each in outlines), strict=True)),
        tuple(stack_turns(turns) for turns in zip(*(each.neighbours for each in outlines), strict=True)),
    )
    return Section(stack([each.pipeline_stage for each in found]), stacked, found[0].embedding, found[0].head)
