"""The phases of a step: of each the highest moment, so that one sees how far below the peak the others lie."""

from collections.abc import Mapping

from ftspec.core.record import record
from ftspec.memory.estimate import StageStep, stage_steps, terms_at
from ftspec.plan.model import Plan

_ORDER = ("forward", "loss_backward", "layer_recompute", "layer_backward")
"""The first phases as they follow each other; a layer's moments are listed layer by layer."""


@record
class Phase:
    """A phase at its highest moment: the bytes of each term but `framework_overhead`, and their sum."""

    name: str
    terms: Mapping[str, int]
    allocated_bytes: int


def phases_of(plan: Plan) -> tuple[tuple[Phase, ...], ...]:
    """The phases of each stage in the order of the step. A stage's highest is its allocated peak."""
    steps = sorted(stage_steps(plan), key=lambda step: step.pipeline_stage)
    return tuple(map(_phases, steps))


def _phases(step: StageStep) -> tuple[Phase, ...]:
    highest: dict[str, Phase] = {}
    for moment, _ in step.moments:
        terms = terms_at(moment, step.states, step.others)
        allocated = sum(terms.values())
        if moment.phase not in highest or allocated > highest[moment.phase].allocated_bytes:
            highest[moment.phase] = Phase(moment.phase, terms, allocated)
    first = [highest[name] for name in _ORDER if name in highest]
    return (*first, *(phase for name, phase in highest.items() if name not in _ORDER))
