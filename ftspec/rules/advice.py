"""What would lower the largest terms of a job's memory: every change that is named was tried on the whole job."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ftspec.memory.estimate import estimate_memory
from ftspec.memory.estimate_model import TERMS, MemoryEstimate
from ftspec.memory.phases import Phase, phases_of
from ftspec.plan.model import Plan, Stack
from ftspec.rules.changes import Changes, as_settings, completed, written_out
from ftspec.rules.costs import Cost, cost_of
from ftspec.rules.savings import savings
from ftspec.rules.stacks import has_feature
from ftspec.rules.trials import Bench

_TERMS_ADVISED = 3
_CHANGES_A_TERM = 3
_WORTH = 0.02
"""A change that saves less of the peak than this is not worth a word."""
_MORE = 1.25
"""A dearer change is named only if it saves so much more than the cheaper ones."""
_OWN_FALL = 0.1
"""Of a term: a change that lowers it by less saves elsewhere."""


class Advice(NamedTuple):
    """A large term of the fullest stage and a change that lowers it, as a spec says it and as texts of `--set`.

    `saves_bytes` is what the peak of the fullest GPU falls by, on the same stack. A term that no change lowers has one
    row without a change.
    """

    term: str
    bytes: int
    change: str | None = None
    settings: tuple[str, ...] = ()
    saves_bytes: int = 0
    cost: str | None = None
    source: str | None = None


class _Option(NamedTuple):
    """A change that everything accepts, what it makes of the job, and what that costs."""

    changes: Changes
    after: Plan
    peak_bytes: int
    fits: bool
    cost: Cost


def advise(bench: Bench, plan: Plan, estimate: MemoryEstimate) -> tuple[Advice, ...]:
    """The largest terms of a plan's fullest stage, each with what lowers it, from what costs least."""
    stage = estimate.fullest
    options = sorted(_options(bench, plan, estimate), key=lambda option: option.cost.rank)
    phases = [phases_of(option.after) for option in options]
    weighty = [term for term in TERMS if stage.terms[term] >= _WORTH * stage.peak_bytes]
    advice: list[Advice] = []
    for term in sorted(weighty, key=lambda term: -stage.terms[term])[:_TERMS_ADVISED]:
        lowering = [
            option
            for option, after in zip(options, phases, strict=True)
            if _lowers(after, term, stage.phase, stage.terms[term])
        ]
        rows = [
            Advice(
                term,
                stage.terms[term],
                written_out(option.changes),
                as_settings(plan, option.changes),
                estimate.peak_bytes - option.peak_bytes,
                option.cost.words,
                option.cost.source,
            )
            for option in _worth_naming(lowering, estimate.peak_bytes)
        ]
        advice += rows or [Advice(term, stage.terms[term])]
    return tuple(advice)


def _worth_naming(options: Sequence[_Option], peak: int) -> list[_Option]:
    """Of the options from the cheapest on, those that save clearly more than the ones before."""
    named: list[_Option] = []
    least = 0.0
    for option in options:
        if peak - option.peak_bytes > least:
            named.append(option)
            least = _MORE * (peak - option.peak_bytes)
    return named[:_CHANGES_A_TERM]


def _lowers(stages: tuple[tuple[Phase, ...], ...], term: str, phase: str, before: int) -> bool:
    """Whether a change makes a term smaller in the phase that peaks now: a lower peak elsewhere is not its doing."""
    after = [each for phases in stages for each in phases if each.name == phase]
    return all(each.terms.get(term, before) <= (1 - _OWN_FALL) * before for each in after)


def _options(bench: Bench, plan: Plan, estimate: MemoryEstimate) -> Iterator[_Option]:
    """Of each kind of change the smallest that is worth it; for a job that does not fit the smallest that makes it
    fit, else the one that saves most.
    """
    worth = (1 - _WORTH) * estimate.peak_bytes
    for kind in (*_beside_savings(plan, bench.stacks), *savings(plan, bench.stacks)):
        tried = [_tried(bench, plan, changes) for changes in kind]
        worthy = [option for option in tried if option is not None and option.peak_bytes < worth]
        fitting = [option for option in worthy if option.fits]
        if estimate.verdict == "fits" or fitting:
            yield from (fitting or worthy)[:1]
        else:
            yield from worthy[-1:]


def _tried(bench: Bench, plan: Plan, changes: Changes) -> _Option | None:
    whole = completed(plan, changes)
    trial = bench.tried(whole)
    if trial is None:
        return None
    plans = {each.training.stack: each for each in bench.plans(whole)}
    after = plans.get(plan.training.stack) or next(iter(plans.values()))
    memory = estimate_memory(after)
    return _Option(whole, after, memory.peak_bytes, memory.verdict == "fits", cost_of(plan, after, whole))


def _beside_savings(plan: Plan, stacks: tuple[Stack, ...]) -> Iterator[list[Changes]]:
    """Smaller steps than `savings` takes, and types that are narrower."""
    training, layout, precision = plan.training, plan.parallelism, plan.precision
    optimizer = training.optimizer
    states: dict[str, Any] = {"precision.optimizer_states": "bf16"}
    if not optimizer.fused:
        yield [{"training.optimizer.fused": True}]
    if training.loss == "standard":
        yield [{"training.loss": "chunked"}]
    if training.activation_checkpointing == "none":
        yield [{"training.activation_checkpointing": "selective"}]
    if layout.zero_stage < 2 and all(has_feature(stack, "ZeRO stage 2") for stack in stacks):
        yield [{"parallelism.zero_stage": 2}]
    if precision.gradients == "fp32" and precision.parameters == "bf16":
        yield [{"precision.gradients": "bf16"}]
    if precision.optimizer_states == "fp32" and precision.compute != "fp32":
        yield [states]
    if optimizer.kind == "adamw":
        yield [{"training.optimizer": replace(optimizer, kind="adamw_8bit")}]
