"""Rules over the memory estimate: what does not fit, why, and what would."""

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.memory.estimate import sections_of
from ftspec.memory.estimate_model import TERMS, MemoryEstimate, StageMemory
from ftspec.memory.kinds import kinds_of
from ftspec.memory.states import stage_states, updated_of
from ftspec.plan.model import DTYPE_BYTES, Plan
from ftspec.rules.example import job
from ftspec.rules.trials import Bench
from ftspec.rules.ways_out import ways_out
from ftspec.rules.wording import blamed, gibibytes, gigabytes

_FULL_8B = 'from = "meta-llama/Llama-3.1-8B"'
_PLACES = ("hardware.gpu", "hardware")

DOES_NOT_FIT = declare(
    "FT401",
    Severity.ERROR,
    "the job does not fit into the GPUs' memory",
    "The fullest GPU needs more than torch can allocate on it: the job dies with an out-of-memory error in its first"
    " steps. Full fine-tuning with Adam needs 16 bytes a parameter for its states alone, before any activation.",
    bad=job(model=_FULL_8B, training="stack = deepspeed", parallelism="zero_stage = 0"),
    good=job(
        model=_FULL_8B, training="stack = deepspeed  activation_checkpointing = full", parallelism="zero_stage = 3"
    ),
)
BORDERLINE = declare(
    "FT402",
    Severity.WARNING,
    "the job may not fit",
    "The estimate lies so close to the GPU's memory that its own uncertainty decides: fragmentation, another version"
    " of a library or a longer batch may tip it.",
    bad=job(
        model=_FULL_8B,
        hardware='gpu = "H100-SXM5-80GB"  gpu_memory = 21.5GB',
        training="stack = megatron  sequence_length = 128",
        parallelism="tensor = 8",
    ),
    good=job(model=_FULL_8B, training="stack = megatron  sequence_length = 128", parallelism="tensor = 8"),
)
FIT_CODES = frozenset({"FT401", "FT403"})
"""The errors that say that a legal job does not fit; alone, they make exit code 3."""


def memory_findings(plan: Plan, estimate: MemoryEstimate, bench: Bench | None = None) -> list[Finding]:
    """What the estimate says about fitting: at most one finding. What its help names was tried on `bench`."""
    if estimate.verdict == "fits":
        return []
    stage, low, high = estimate.fullest, *estimate.interval_bytes
    where = f"pipeline stage {stage.pipeline_stage}" if plan.parallelism.pipeline > 1 else "each GPU"
    needs = f"{where} needs {gibibytes(stage.peak_bytes)} at its peak ({terms_in_a_line(stage)})"
    help = ways_out(bench or Bench(plan))
    usable = f"{plan.hardware.gpu} has {gibibytes(estimate.capacity_bytes)} usable"
    if estimate.verdict == "borderline":
        message = f"{needs}, {gibibytes(low)} to {gibibytes(high)} with its uncertainty; {usable}"
        return [BORDERLINE.finding(message, blamed(plan, *_PLACES), help)]
    over = stage.peak_bytes - estimate.capacity_bytes
    message = f"{needs}; {usable}, {gibibytes(over)} too little{_states_alone(plan, stage.pipeline_stage)}"
    return [DOES_NOT_FIT.finding(message, blamed(plan, *_PLACES), help)]


def terms_in_a_line(stage: StageMemory) -> str:
    """`parameters 13.1 GiB + gradients 13.1 GiB + …`, the terms that weigh something."""
    shown = [(name, stage.terms.get(name, 0)) for name in TERMS]
    return " + ".join(f"{name.replace('_', ' ')} {gibibytes(count)}" for name, count in shown if count >= 2**29)


def _states_alone(plan: Plan, stage: int) -> str:
    """The states of full fine-tuning per parameter and in all; what the optimizer holds is that of a stage's weights,
    as some optimizers hold more of some of them.
    """
    if plan.training.method.kind != "full":
        return ""
    kinds = kinds_of(plan)
    section = next(section for section, numbers in sections_of(plan, kinds) if stage in numbers)
    states, updated = stage_states(plan, kinds, section), updated_of(plan, kinds, section).elements
    parts = {
        "parameter": DTYPE_BYTES[plan.precision.parameters],
        "gradient": DTYPE_BYTES[plan.precision.gradients],
        "fp32 master": states.master_parameters / updated,
        "moments": states.optimizer_states / updated,
    }
    each = sum(parts.values())
    said = " + ".join(f"{_rounded(count)} {name}" for name, count in parts.items() if count >= 0.05)
    total = gigabytes(each * plan.model.parameters)
    return f". States alone are {_rounded(each)} bytes a parameter ({said}): {total} over all GPUs"


def _rounded(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
