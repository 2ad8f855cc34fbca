"""The memory of many layouts at once: the same formulas, on arrays."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

from ftspec.memory.activations import others_in_flight
from ftspec.memory.estimate import sections_of
from ftspec.memory.kinds import Kinds, kinds_of
from ftspec.memory.moments import stage_moments
from ftspec.memory.offload import on_device
from ftspec.memory.outline import Outline, Section, Turn
from ftspec.memory.overhead import framework_overhead
from ftspec.memory.states import stage_states
from ftspec.memory.step.frame import Frame, keeps_gradients, shared_by_stages
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
    """The rows that agree in everything that is not a number, and whether they accumulate gradients."""
    code = numpy.zeros(rows, numpy.int64)
    named = {path: values for path, values in columns.items() if path not in NUMBERS}
    decoded: list[tuple[str, NDArray[Any], int]] = []
    size = 1
    accumulates = columns.get("training.gradient_accumulation_steps", numpy.ones(rows, numpy.int64)) > 1
    for path, values in (*named.items(), ("", accumulates)):
        distinct, inverse = numpy.unique(values, return_inverse=True)
        code += inverse * size
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
    for path, value in values.items():
        block, _, name = path.partition(".")
        if not hasattr(getattr(plan, block, None), name):
            raise KeyError(path)
        plan = replace(plan, **{block: replace(getattr(plan, block), **{name: value})})
    return plan


def _estimate(plan: Plan, columns: Columns) -> tuple[Numbers, Numbers]:
    """Layouts that differ in numbers alone."""
    rows = len(next(iter(columns.values()), numpy.zeros(1)))
    allocated = numpy.zeros(rows, numpy.int64)
    kinds = kinds_of(plan)
    pipelines = columns.get("parallelism.pipeline", numpy.full(rows, plan.parallelism.pipeline))
    steps = columns.get("training.gradient_accumulation_steps")
    builds_up = keeps_gradients(plan if steps is None else _with_values(plan, {_STEPS: int(steps[0])}))
    for section, members in _sections(plan, kinds, pipelines):
        part = _with_values(plan, {path: values[members] for path, values in columns.items()})
        frame = Frame(shared_by_stages(part, kinds, builds_up), section)
        states = on_device(part, stage_states(part, kinds, section))
        others = others_in_flight(frame, section.pipeline_stage)
        alone = beside = numpy.zeros(len(members), numpy.int64)
        for moment in stage_moments(frame, states, builds_up):
            if moment.in_flight:
                beside = numpy.maximum(beside, moment.total)
            else:
                alone = numpy.maximum(alone, moment.total)
        held = states.parameters + states.master_parameters + states.optimizer_states
        allocated[members] = numpy.maximum(allocated[members], numpy.maximum(alone, beside + others) + held)
    return allocated, allocated + framework_overhead(_with_values(plan, columns), allocated)  # type: ignore[arg-type]


_STEPS = "training.gradient_accumulation_steps"


def _sections(plan: Plan, kinds: Kinds, pipelines: Numbers) -> Iterator[tuple[Section, Numbers]]:
    """The stages that may be the fullest, alike ones of different pipelines as one section of arrays."""
    distinct, inverse = numpy.unique(pipelines, return_inverse=True)
    alike: dict[object, dict[int, Section]] = {}
    for index, pipeline in enumerate(distinct.tolist()):
        for slot, section in enumerate(_candidates(plan, kinds, pipeline)):
            last = section.outline.last
            key = (section.outline.kinds, last and last.kind, section.embedding, section.head, slot)
            alike.setdefault(key, {})[index] = section
    for found in alike.values():
        members = numpy.flatnonzero(numpy.isin(inverse, list(found)))
        order = {index: place for place, index in enumerate(found)}
        places = numpy.array([order.get(index, 0) for index in range(len(distinct))])[inverse[members]]
        yield _stacked(list(found.values()), places), members


def _candidates(plan: Plan, kinds: Kinds, pipeline: int) -> list[Section]:
    """The stages of a pipeline that no other one covers: of stages with the same layers the first has the most
    micro-batches in flight, so a later one matters only if it has the head.
    """
    stages = lay_out_stages(plan.model.shape.num_hidden_layers, pipeline, max(1, plan.parallelism.virtual_pipeline))
    found = [section for section, _ in sections_of(plan, kinds, stages)]
    first: dict[Outline, Section] = {}
    for section in found:
        first.setdefault(section.outline, section)
    return [section for section in found if section.head or first[section.outline] is section]


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
    )
    return Section(stack([each.pipeline_stage for each in found]), stacked, found[0].embedding, found[0].head)
