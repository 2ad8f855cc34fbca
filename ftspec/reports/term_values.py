"""`explain FILE memory.TERM`: what a term comes to in a job, from which values, and in which phase."""

from collections.abc import Iterator, Mapping

from ftspec.checked import Job
from ftspec.memory.estimate_model import StageMemory
from ftspec.memory.phases import phases_of
from ftspec.memory.terms import Term, terms
from ftspec.plan.fields import value_at
from ftspec.plan.model import MethodPlan, Plan
from ftspec.reports.amounts import phrase, unit_of
from ftspec.reports.memory_host import host_lines
from ftspec.reports.origin_text import origin_lines
from ftspec.reports.term_text import letters_of


def term_values(term: Term, job: Job) -> str:
    """The inputs with their origins, and the term's bytes: by stage at the peak, and by phase on the fullest stage; of
    the host's memory by what it holds.
    """
    if term.name == "host":
        return "\n".join([*_inputs(term, job), *_on_the_host(job)])
    return "\n".join([*_inputs(term, job), *_by_stage(term, job), *_by_phase(term, job)])


def values_of_terms(job: Job) -> str:
    """Every term on the fullest stage, a line each; what is in main memory is of a node."""
    stage, host, unit = job.memory.fullest, job.memory.host, unit_of(job.memory.peak_bytes)
    amounts = {
        name: host.bytes_per_node if name == "host" else _bytes_of(term, stage) for name, term in terms().items()
    }
    sizes = max(len(unit.of(amount)) for amount in amounts.values())
    lines = [
        f"memory.{name:<22} {unit.of(amount):>{sizes}}   {terms()[name].meaning}" for name, amount in amounts.items()
    ]
    return "\n".join([f"Stage {stage.pipeline_stage} on {job.plan.training.stack}, {unit.name}:", *lines])


def _on_the_host(job: Job) -> Iterator[str]:
    yield f"\nOn {job.plan.training.stack}:"
    lines = list(host_lines(job.memory.host))
    yield from (f"    {line}" for line in lines or ["nothing is offloaded: 0.00 GiB of each node's main memory"])


def _inputs(term: Term, job: Job) -> Iterator[str]:
    if not term.inputs:
        return
    yield f"\nInputs on {job.plan.training.stack}:"
    letters = {path: f" ({letter})" for letter, path in letters_of(term).items()}
    inputs = tuple(path for path in term.inputs if not _unused(job.plan, path))
    yield from (f"    {line}" for line in origin_lines(job.plan, inputs, letters))


def _unused(plan: Plan, path: str) -> bool:
    """Whether a path is a setting that the training method does not have, or that changes nothing."""
    block, _, name = path.rpartition(".")
    return block == "training.method" and name != "kind" and value_at(plan, path) == getattr(MethodPlan("full"), name)


def _bytes_of(term: Term, stage: StageMemory) -> int:
    sums = {"allocated_peak": stage.allocated_peak_bytes, "peak": stage.peak_bytes}
    return sums[term.name] if term.name in sums else stage.terms[term.name]


def _by_stage(term: Term, job: Job) -> Iterator[str]:
    memory, unit = job.memory, unit_of(job.memory.peak_bytes)
    yield f"\nAt the peak of each stage on {job.plan.training.stack}, {unit.name}:"
    sizes = max(len(unit.of(_bytes_of(term, stage))) for stage in memory.stages)
    for stage in memory.stages:
        mark = "   the fullest stage" if stage is memory.fullest else ""
        amount = unit.of(_bytes_of(term, stage))
        yield f"    stage {stage.pipeline_stage:<4} {amount:>{sizes}}   {phrase(stage.phase)}{mark}"


def _by_phase(term: Term, job: Job) -> Iterator[str]:
    """What no phase has by itself (the overhead, the peak) has no lines."""
    stage, unit = job.memory.fullest, unit_of(job.memory.peak_bytes)
    phases = phases_of(job.plan)[stage.pipeline_stage]
    amounts: Mapping[str, int] = {
        phase.name: phase.allocated_bytes if term.name == "allocated_peak" else phase.terms.get(term.name, -1)
        for phase in phases
    }
    if min(amounts.values()) < 0:
        return
    yield f"\nIn each phase of stage {stage.pipeline_stage}, where the phase is highest, {unit.name}:"
    names, sizes = max(map(len, amounts)), max(len(unit.of(amount)) for amount in amounts.values())
    for name, amount in amounts.items():
        yield f"    {phrase(name):<{names}} {unit.of(amount):>{sizes}}{'   the peak' if name == stage.phase else ''}"
