"""A pipeline stage in counts: how many layers of each kind it has, and those whose backward may be the peak.

Between two layers of one kind memory is linear in the layer, so the first and the last of each kind are enough, with
their neighbours (buffers differ at the ends) and the borders of checkpointed groups.
"""

from collections.abc import Sequence
from functools import cache

from ftspec.core.record import record
from ftspec.memory.kinds import Kinds
from ftspec.plan.stages import Stage


@record
class Turn:
    """One layer in the backward pass. Counts are by the stage's kinds: `stored`, the layers below it whose kept bytes
    lie there (of a checkpointed group the first one's, for all); `again`, those of its group that are recomputed
    already; `above`, those that have run backward.
    """

    kind: int
    stored: tuple[int, ...]
    again: tuple[int, ...]
    above: tuple[int, ...]
    starts_group: bool
    has_below: bool
    has_above: bool


@record
class Outline:
    """The layers of a stage. `kinds` are those that occur (indices into `Kinds.each`); `counts` and `stored` are by
    them. `last` is the topmost layer. `turns` are the layers that may peak, `neighbours` those beside them where the
    buffers of neighbours count; both come in the same order for any stage with the same kinds.
    """

    kinds: tuple[int, ...]
    counts: tuple[int, ...]
    stored: tuple[int, ...]
    last: Turn | None
    turns: tuple[Turn, ...]
    neighbours: tuple[Turn, ...]


@cache
def outline(kinds: Kinds, chunks: tuple[range, ...], every: int) -> Outline:
    """The outline of a stage's chunks, whose layers are checkpointed in groups of `every`."""
    layers = [kind for chunk in chunks for kind in _of_chunk(kinds, chunk)]
    present = tuple(sorted(set(layers)))
    local = [present.index(kind) for kind in layers]
    turns: list[Turn] = []
    neighbours: list[Turn] = []
    for kind in range(len(present)):
        if not kinds.each[present[kind]].variant.silent:
            places = [place for place, each in enumerate(local) if each == kind]
            turns += [turn_at(local, place, len(present), every) for place in _turning_points(places, every)]
            neighbours += [turn_at(local, place, len(present), every) for place in _neighbours(places, every)]
    whole = range(len(local))
    return Outline(
        kinds=present,
        counts=_counted(local, whole, len(present)),
        stored=_counted(local, whole[::every], len(present)),
        last=turn_at(local, len(local) - 1, len(present), every) if local else None,
        turns=tuple(turns),
        neighbours=tuple(neighbours),
    )


def _of_chunk(kinds: Kinds, chunk: range) -> list[int]:
    if kinds.block is None:
        return [kinds.of_layer[number] for number in chunk]
    half = len(kinds.each) // 2
    return [kinds.of_layer[number] + half * (place >= kinds.block) for place, number in enumerate(chunk)]


def _turning_points(places: list[int], every: int) -> list[int]:
    """Among the places of one kind: the first and the last, the last start and the first and last end of a group."""
    found = [places[0], places[-1]]
    if every > 1:
        ends = _ends(places, every)
        found += [([place for place in places if place % every == 0] or places)[-1], ends[0], ends[-1]]
    return found


def _neighbours(places: list[int], every: int) -> list[int]:
    """The second and the last but one of them, and of the ends of groups."""
    lists = [places, _ends(places, every)] if every > 1 else [places]
    return [place for each in lists for place in (each[min(1, len(each) - 1)], each[max(0, len(each) - 2)])]


def _ends(places: list[int], every: int) -> list[int]:
    """The topmost layers of checkpointed groups; all places where no group has its end among them."""
    return [place for place in places if place % every == every - 1] or places


def _counted(local: Sequence[int], places: range, kinds: int) -> tuple[int, ...]:
    return tuple(sum(local[place] == kind for place in places) for kind in range(kinds))


def turn_at(local: Sequence[int], place: int, kinds: int, every: int) -> Turn:
    """The layer at a place of a stage, whose layers' kinds `local` lists."""
    start = place - place % every
    return Turn(
        kind=local[place],
        stored=_counted(local, range(0, place, every), kinds),
        again=_counted(local, range(start, place), kinds),
        above=_counted(local, range(place + 1, len(local)), kinds),
        starts_group=place == start,
        has_below=place > 0,
        has_above=place < len(local) - 1,
    )


@record
class Section:
    """A pipeline stage as the memory of a step sees it; in a batch the like stages of many layouts."""

    pipeline_stage: int
    outline: Outline
    embedding: bool
    head: bool


@cache
def sections(kinds: Kinds, stages: tuple[Stage, ...], every: int) -> tuple[tuple[Section, tuple[int, ...]], ...]:
    """Stages that are alike in all but their place, each with the numbers of the stages that it stands for."""
    alike: dict[tuple[Outline, bool, bool], list[int]] = {}
    for stage in stages:
        key = (outline(kinds, stage.chunks, every), stage.embedding, stage.head)
        alike.setdefault(key, []).append(stage.pipeline_stage)
    return tuple(
        (Section(numbers[0], found, embedding, head), tuple(numbers))
        for (found, embedding, head), numbers in alike.items()
    )
