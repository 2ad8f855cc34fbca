"""What would lower the largest terms of a job's memory: every change that is named was tried on the whole job."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
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
_CHANGES_A_TERM = {"fits": 3, "borderline": 4, "does_not_fit": 4}
_FITTING_FIRST = 2
"""Of a term: so many changes that make a job fit have their place before those that only help."""
_WORTH = 0.02
"""A change that saves less of the peak than this is not worth a word."""
_MORE = 1.25
"""A dearer change is named only if it saves so much more than the cheaper ones."""
_OWN_FALL = 0.1
"""Of a term: a change that lowers it by less saves elsewhere."""
_OWN_TERMS = tuple(term for term in TERMS if term != "framework_overhead")
"""The overhead is no term of the job's own: most of it is a share of the others."""


class Advice(NamedTuple):
    """A large term of the fullest stage and a change that lowers it, as a spec says it and as texts of `--set`.

    `saves_bytes` is what the peak of the fullest GPU falls by, on the same stack; `fits` whether the job then fits on
    it; `warnings` the codes of what ftspec would warn of. A term that no change lowers has one row without a change.
    """

    term: str
    bytes: int
    change: str | None = None
    settings: tuple[str, ...] = ()
    saves_bytes: int = 0
    cost: str | None = None
    source: str | None = None
    fits: bool | None = None
    warnings: tuple[str, ...] = ()


class _Option(NamedTuple):
    """A change that nothing refuses, what it makes of the job, and what that costs; `kind`: which kind of change."""

    kind: int
    changes: Changes
    peak_bytes: int
    fits: bool
    warnings: tuple[str, ...]
    cost: Cost
    terms: Mapping[str, int]
    """The terms where the job peaked before; where there is no such phase any more, at the new peak."""


def advise(bench: Bench, plan: Plan, estimate: MemoryEstimate) -> tuple[Advice, ...]:
    """The largest terms of a plan's fullest stage, each with what lowers it, from what costs least.

    Of a job that does not fit the change that makes it fit is named, whichever term it lowers.
    """
    stage = estimate.fullest
    options = sorted(_options(bench, plan, estimate), key=lambda option: option.cost.rank)
    large = sorted((term for term in _OWN_TERMS if stage.terms[term]), key=lambda term: -stage.terms[term])
    named = {term: _named(options, term, estimate) for term in large[:_TERMS_ADVISED]}
    way_out = next((option for option in options if option.fits and not option.warnings), None)
    if estimate.verdict != "fits" and way_out and not any(each.fits for each in chain(*named.values())):
        term = max(large, key=lambda term: stage.terms[term] - way_out.terms[term])
        named[term] = [*named.get(term, ()), way_out]
    return tuple(row for term, several in named.items() for row in _rows(plan, estimate, term, several))


def _rows(plan: Plan, estimate: MemoryEstimate, term: str, options: Sequence[_Option]) -> list[Advice]:
    stage = estimate.fullest
    return [
        Advice(
            term,
            stage.terms[term],
            written_out(option.changes),
            as_settings(plan, option.changes),
            estimate.peak_bytes - option.peak_bytes,
            option.cost.words,
            option.cost.source,
            option.fits,
            option.warnings,
        )
        for option in options
    ] or [Advice(term, stage.terms[term])]


def _named(options: Sequence[_Option], term: str, estimate: MemoryEstimate) -> list[_Option]:
    """What to name of a term: of each kind of change one; what draws a warning only where nothing else lowers it."""
    before = estimate.fullest.terms[term]
    lowering = [option for option in options if option.terms[term] <= (1 - _OWN_FALL) * before]
    clean = [option for option in lowering if not option.warnings]
    fits = estimate.verdict == "fits"
    named = _worth_naming(_one_of_each_kind(clean or lowering, fits), term, estimate.peak_bytes, fits)
    return sorted(named[: _CHANGES_A_TERM[estimate.verdict]], key=lambda option: option.cost.rank)


def _one_of_each_kind(options: Sequence[_Option], fits: bool) -> list[_Option]:
    """The smallest change of each kind; for a job that does not fit the smallest that makes it fit, else the one that
    saves most.
    """
    kinds: dict[int, list[_Option]] = {}
    for option in options:
        kinds.setdefault(option.kind, []).append(option)
    chosen = []
    for several in kinds.values():
        fitting = [option for option in several if option.fits]
        least = max if not fits and not fitting else min
        chosen.append(least(fitting or several, key=lambda option: -option.peak_bytes))
    return sorted(chosen, key=lambda option: option.cost.rank)


def _worth_naming(options: Sequence[_Option], term: str, peak: int, fits: bool) -> list[_Option]:
    """From the cheapest on, those that save clearly more than the ones before. Of a job that does not fit the cheapest
    that make it fit come first, whatever they save; and of the others also those that lower the term clearly more.
    """
    fitting = [] if fits else [option for option in options if option.fits]
    others: list[_Option] = []
    saved, left = 0.0, float("inf")
    for option in options:
        if peak - option.peak_bytes > saved or (not fits and option.terms[term] < left):
            others += [option] if option not in fitting else []
            saved = max(saved, _MORE * (peak - option.peak_bytes))
            left = min(left, option.terms[term] / _MORE)
    return [*fitting[:_FITTING_FIRST], *others, *fitting[_FITTING_FIRST:]]


def _options(bench: Bench, plan: Plan, estimate: MemoryEstimate) -> Iterator[_Option]:
    """Every change that nothing refuses and that is worth a word, with the number of its kind."""
    worth = (1 - _WORTH) * estimate.peak_bytes
    for number, kind in enumerate((*_beside_savings(plan, bench.stacks), *savings(plan, bench.stacks))):
        for changes in kind:
            option = _tried(bench, plan, changes, number, estimate)
            if option is not None and (option.peak_bytes < worth or (option.fits and estimate.verdict != "fits")):
                yield option


def _tried(bench: Bench, plan: Plan, changes: Changes, kind: int, estimate: MemoryEstimate) -> _Option | None:
    whole = completed(plan, changes)
    trial = bench.legal(whole)
    if trial is None:
        return None
    plans = {each.training.stack: each for each in bench.plans(whole)}
    after = plans.get(plan.training.stack) or next(iter(plans.values()))
    memory = estimate_memory(after)
    cost = cost_of(plan, after, whole)
    terms = _where_it_peaked(estimate, phases_of(after)) or memory.fullest.terms
    return _Option(kind, whole, memory.peak_bytes, memory.verdict == "fits", trial.warnings, cost, terms)


def _where_it_peaked(before: MemoryEstimate, after: Sequence[Iterable[Phase]]) -> Mapping[str, int]:
    """Each term in the phase and the stage that peaked before (a lower peak elsewhere is not a change's doing); of
    another number of stages, in the one where it is highest; nothing where no stage has the phase any more.
    """
    number = before.fullest.pipeline_stage
    stages = after[number : number + 1] if len(after) == len(before.stages) else after
    highest: dict[str, int] = {}
    for each in chain(*stages):
        if each.name == before.fullest.phase:
            for term, count in each.terms.items():
                highest[term] = max(count, highest.get(term, 0))
    return highest


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
    if precision.parameters == "fp32" and precision.compute == "bf16":
        yield [{"precision.parameters": "bf16"}]
    if precision.gradients == "fp32" and precision.compute == "bf16":
        yield [{"precision.gradients": "bf16"}]
    if precision.optimizer_states == "fp32" and precision.compute != "fp32":
        yield [states]
    if optimizer.kind == "adamw":
        yield [{"training.optimizer": replace(optimizer, kind="adamw_8bit")}]
