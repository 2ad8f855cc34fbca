"""The memory of many layouts at once: the same formulas, on arrays."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

from ftspec.memory.communication.torch_pipeline import TORCH_PIPELINES
from ftspec.memory.estimate import checkpointed_together, section_step, stage_peak
from ftspec.memory.kinds import Kinds, kinds_of
from ftspec.memory.outline import Outline, Section, Turn, sections
from ftspec.memory.overhead import fixed_overhead
from ftspec.memory.step.frame import keeps_gradients, shared_by_stages
from ftspec.memory.step.method import copies_operands
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

    Raises KeyError for a path that a plan does not have, ValueError for columns of different lengths.
    """
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns have one value for each layout; these have {sorted(lengths) or 'none'}")
    (rows,) = lengths
    columns = {path: _as_plan_values(path, values) for path, values in columns.items()}
    batch = Batch(numpy.zeros(rows, numpy.int64), numpy.zeros(rows, numpy.int64))
    for values, members in _groups(columns, rows, _told_apart(plan, columns)):
        grouped = _with_values(plan, values)
        for start in range(0, len(members), BLOCK):
            block = members[start : start + BLOCK]
            allocated, peak = _estimate(grouped, {path: columns[path][block] for path in columns if path in NUMBERS})
            batch.allocated_peak_bytes[block], batch.peak_bytes[block] = allocated, peak
    return batch


def _as_plan_values(path: str, values: NDArray[Any]) -> NDArray[Any]:
    return numpy.asarray(values, numpy.int64) if path in NUMBERS else numpy.asarray(values)


def _told_apart(plan: Plan, columns: Columns) -> list[str]:
    """Numbers of which it matters whether they are 1: steps, stages and, where products of heads copy, sequences."""
    copies = "training.attention" in columns or copies_operands(plan.model.shape, plan.training.attention)
    return [path for path in (_STEPS, _PIPELINE, *((_SEQUENCES,) if copies else ())) if path in columns]


def _groups(columns: Columns, rows: int, told_apart: list[str]) -> Iterator[tuple[dict[str, Any], Numbers]]:
    """The rows that agree in everything that is not a number, and in whether the numbers `told_apart` are 1."""
    code = numpy.zeros(rows, numpy.int64)
    named = {path: values for path, values in columns.items() if path not in NUMBERS}
    decoded: list[tuple[str, NDArray[Any], int]] = []
    size = 1
    flags = [columns[path] > 1 for path in told_apart]
    for path, values in (*named.items(), *(("", flag) for flag in flags)):
        distinct = numpy.unique(values)
        code += numpy.searchsorted(distinct, values) * size
        decoded.append((path, distinct, size))
        size *= len(distinct)
    if not rows:
        return
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
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *blocks, name = path.split(".")
        branch = tree
        for block in blocks:
            branch = branch.setdefault(block, {})
        branch[name] = value
    return _replaced(plan, tree, "")  # type: ignore[no-any-return]


def _replaced(part: Any, tree: Mapping[str, Any], path: str) -> Any:
    """A part of the plan with other values; `tree` holds them by name, those of its own parts as trees."""
    named = {}
    for name, value in tree.items():
        if not hasattr(part, name):
            raise KeyError(f"{path}{name}")
        inner = getattr(part, name)
        named[name] = _replaced(inner, value, f"{path}{name}.") if isinstance(value, dict) else value
    return replace(part, **named)


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
        part = whole if members is None else _with_values(plan, {path: each[members] for path, each in columns.items()})
        some: Any = slice(None) if members is None else members
        step, _ = section_step(shared_by_stages(part, kinds, builds_up), section, builds_up)
        peak, total = stage_peak(part, step, fixed[some])
        allocated[some] = numpy.maximum(allocated[some], peak)
        needed[some] = numpy.maximum(needed[some], total)
    return allocated, needed


_PIPELINE = "parallelism.pipeline"
_STEPS = "training.gradient_accumulation_steps"
_SEQUENCES = "training.micro_batch_size"


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
    """The stages of a pipeline that no other one covers: an earlier stage has more micro-batches in flight, so a later
    one matters only if it has more layers of some kind, or the head. Where stages allocate `ahead` what they
    receive, the first one receives less than the next.
    """
    stages = lay_out_stages(len(kinds.of_layer), pipeline, virtual, *ends)
    kept: list[Section] = []
    for section, _ in sections(kinds, stages, every):
        earlier = (each for each in kept if not (each.head or (each.embedding and ahead)))
        if section.head or not any(_covers(each.outline, section.outline) for each in earlier):
            kept.append(section)
    return kept


def _covers(earlier: Outline, later: Outline) -> bool:
    """Whether a stage has at least the layers of another, of the same kinds."""
    counts = zip((*earlier.counts, *earlier.stored), (*later.counts, *later.stored), strict=False)
    return earlier.kinds == later.kinds and all(one >= other for one, other in counts)


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
