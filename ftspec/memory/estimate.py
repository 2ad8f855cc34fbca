"""The memory of a plan: per pipeline stage, term by term, at the moment of its peak."""

from ftspec.memory.estimate_model import MemoryEstimate, StageMemory, Verdict
from ftspec.memory.facts import fact
from ftspec.memory.moments import stage_moments
from ftspec.memory.offload import on_device
from ftspec.memory.overhead import framework_overhead
from ftspec.memory.states import stage_states
from ftspec.plan.model import Plan
from ftspec.plan.stages import Stage


def estimate_stage(plan: Plan, stage: Stage) -> StageMemory:
    """One stage's fullest rank."""
    states = on_device(plan, stage_states(plan, stage))
    peak = max(stage_moments(plan, stage, states), key=lambda moment: moment.total)
    terms = {
        "parameters": states.parameters,
        "gradients": peak.gradients,
        "master_parameters": states.master_parameters,
        "optimizer_states": states.optimizer_states,
        "activations": peak.activations,
        "logits": peak.logits,
        "temporary": peak.temporary,
        "communication_buffers": peak.communication_buffers,
    }
    allocated = sum(terms.values())
    terms["framework_overhead"] = framework_overhead(plan, allocated)
    return StageMemory(stage.pipeline_stage, peak.phase, terms, allocated, allocated + terms["framework_overhead"])


def interval_around(plan: Plan, peak: int) -> tuple[int, int]:
    """The peak less and more the model's uncertainty for the stack (`facts.json`)."""
    half = peak * fact("uncertainty_per_mille", plan.training.stack) // 1000
    return peak - half, peak + half


def verdict_of(interval: tuple[int, int], capacity: int) -> Verdict:
    """`fits` if even the upper end fits, `does_not_fit` if not even the lower one does."""
    if interval[1] <= capacity:
        return "fits"
    return "does_not_fit" if interval[0] > capacity else "borderline"


def estimate_memory(plan: Plan) -> MemoryEstimate:
    """The memory of one job on one stack; the fullest stage decides the verdict."""
    stages = tuple(estimate_stage(plan, stage) for stage in plan.stages)
    peak = max(stage.peak_bytes for stage in stages)
    interval = interval_around(plan, peak)
    capacity = plan.hardware.usable_memory_bytes
    return MemoryEstimate(verdict_of(interval, capacity), capacity, peak, interval, stages)
