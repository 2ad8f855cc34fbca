"""The memory of a plan: per pipeline stage, term by term, at the moment of its peak."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ftspec.memory.activations import Others, others_in_flight
from ftspec.memory.communication.fsdp2 import gathered_root
from ftspec.memory.estimate_model import MemoryEstimate, StageMemory, Verdict
from ftspec.memory.facts import fact
from ftspec.memory.host import host_memory
from ftspec.memory.kinds import Kinds, kinds_of, recomputes_blocks
from ftspec.memory.moment import Moment
from ftspec.memory.moments import stage_moments
from ftspec.memory.numbers import largest
from ftspec.memory.offload import on_device
from ftspec.memory.outline import Section, sections
from ftspec.memory.overhead import STREAMS_APART, fixed_overhead, framework_overhead, other_streams, outside_torch
from ftspec.memory.states import States, stage_states
from ftspec.memory.step.frame import Frame, Shared, keeps_gradients, shared_by_stages
from ftspec.plan.model import Plan


def checkpointed_together(plan: Plan) -> int:
    """How many layers are one checkpointed group."""
    training = plan.training
    if recomputes_blocks(plan):
        return 1
    return max(1, training.checkpoint_every_layers) if training.activation_checkpointing == "full" else 1


def sections_of(plan: Plan, kinds: Kinds) -> tuple[tuple[Section, tuple[int, ...]], ...]:
    """The stages of a plan that differ in more than their place, each with those that are like it."""
    return sections(kinds, plan.stages, checkpointed_together(plan))


def estimate_memory(plan: Plan) -> MemoryEstimate:
    """The memory of one job on one stack; the fullest stage decides the verdict."""
    stages = sorted(_stages(plan), key=lambda stage: stage.pipeline_stage)
    peak = max(stage.peak_bytes for stage in stages)
    interval = interval_around(plan, peak)
    capacity = plan.hardware.usable_memory_bytes
    return MemoryEstimate(verdict_of(interval, capacity), capacity, peak, interval, tuple(stages), host_memory(plan))


def _stages(plan: Plan) -> Iterator[StageMemory]:
    fixed = fixed_overhead(plan)
    for step in stage_steps(plan):
        yield _stage(plan, step, fixed)


class Highest(NamedTuple):
    """The highest total of a stage's moments: of those alone, and of those with other micro-batches beside them."""

    alone: int
    beside: int


class StageStep(NamedTuple):
    """The step of one stage: its states, its moments and their highest totals, in all streams and in the main one, and
    what other micro-batches in flight keep; and the weights that are gathered in a stream of their own.
    """

    pipeline_stage: int
    states: States
    moments: list[tuple[Moment, int]]
    highest: Highest
    main_stream: Highest
    others: Others
    gathered: int


def stage_steps(plan: Plan) -> Iterator[StageStep]:
    """Each stage's fullest rank. Stages that are alike differ only in how many micro-batches are in flight."""
    kinds, builds_up = kinds_of(plan), keeps_gradients(plan)
    shared = shared_by_stages(plan, kinds, builds_up)
    for section, numbers in sections_of(plan, kinds):
        step, frame = section_step(shared, section, builds_up)
        for number in numbers:
            yield step._replace(pipeline_stage=number, others=others_in_flight(frame, number))


def section_step(shared: Shared, section: Section, builds_up: bool) -> tuple[StageStep, Frame]:
    """The step of the first of like stages, and its frame; `builds_up`: `keeps_gradients(plan)`."""
    plan, frame = shared.plan, Frame(shared, section)
    states = on_device(plan, stage_states(plan, shared.kinds, section))
    moments = [(moment, moment.total) for moment in stage_moments(frame, states, builds_up)]
    highest = main_stream = _highest((total, moment.in_flight) for moment, total in moments)
    gathered = 0
    if plan.training.stack in STREAMS_APART:
        gathered = gathered_root(frame)
        main_stream = _highest((moment.main_stream, moment.in_flight) for moment, _ in moments)
    others = others_in_flight(frame, section.pipeline_stage)
    return StageStep(section.pipeline_stage, states, moments, highest, main_stream, others, gathered), frame


def _highest(totals: Iterable[tuple[int, int]]) -> Highest:
    alone, beside = 0, 0
    for total, in_flight in totals:
        if in_flight:
            beside = largest(beside, total)
        else:
            alone = largest(alone, total)
    return Highest(alone, beside)


def stage_peak(plan: Plan, step: StageStep, fixed: int) -> tuple[int, int]:
    """Bytes of tensors at a stage's peak, and with the framework's overhead. `fixed`: `fixed_overhead(plan)`."""
    states = step.states
    held = states.parameters + states.master_parameters + states.optimizer_states
    allocated = held + largest(step.highest.alone, step.highest.beside + step.others.total)
    aside = 0
    if plan.training.stack in STREAMS_APART:
        main_stream = largest(step.main_stream.alone, step.main_stream.beside + step.others.total)
        aside = other_streams(step.gathered, states.gradients, allocated, held + main_stream)
    return allocated, allocated + framework_overhead(plan, fixed, allocated, aside)


def terms_at(moment: Moment, states: States, others: Others) -> dict[str, int]:
    """The bytes of each term at a moment of a stage, but for `framework_overhead`."""
    return {
        "parameters": states.parameters,
        "gradients": moment.gradients,
        "master_parameters": states.master_parameters,
        "optimizer_states": states.optimizer_states,
        "activations": moment.activations + others.activations * moment.in_flight,
        "logits": moment.logits,
        "temporary": moment.temporary,
        "communication_buffers": moment.communication_buffers + others.passed * moment.in_flight,
    }


def _stage(plan: Plan, step: StageStep, fixed: int) -> StageMemory:
    allocated, needed = stage_peak(plan, step, fixed)
    peak, _ = max(step.moments, key=lambda each: each[1] + step.others.total * each[0].in_flight)
    terms = terms_at(peak, step.states, step.others)
    terms["framework_overhead"] = needed - allocated
    return StageMemory(step.pipeline_stage, peak.phase, terms, allocated, needed)


def interval_around(plan: Plan, peak: int) -> tuple[int, int]:
    """The peak less and more what is uncertain (`facts.json`): a share of it by stack, more with 4-bit weights, and a
    share of what lies outside torch, which differs most from one machine to the next.
    """
    share = fact("uncertainty_per_mille", plan.training.stack)
    if plan.training.method.kind == "qlora":
        share += fact("uncertainty_per_mille", "quantized")
    outside = outside_torch(plan) * fact("uncertainty_per_mille", "outside_torch")
    half = (peak * share + outside) // 1000
    return peak - half, peak + half


def verdict_of(interval: tuple[int, int], capacity: int) -> Verdict:
    """`fits` if even the upper end fits, `does_not_fit` if not even the lower one does."""
    if interval[1] <= capacity:
        return "fits"
    return "does_not_fit" if interval[0] > capacity else "borderline"
