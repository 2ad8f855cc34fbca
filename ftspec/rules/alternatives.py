"""Which layouts of the same GPUs would be legal and fit, for a job whose own layout is refused."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import divisors
from ftspec.rules.changes import Changes, is_written
from ftspec.rules.example import job
from ftspec.rules.stacks import has_feature
from ftspec.rules.trials import Bench, Trial
from ftspec.rules.wording import blamed

_SHOWN = 3
_DEEPEST_PIPELINE = 32
_ESTIMATED = 24
"""Layouts whose memory is estimated before the search is given up."""

LAYOUTS_THAT_WORK = declare(
    "FT290",
    Severity.NOTE,
    "other layouts of the same GPUs are legal and fit",
    "Where a layout is refused, ftspec tries the others on the same GPUs and on half of them: those that no rule"
    " and no target of the job refuses, and whose memory fits. What is told is all that has to be written; the memory"
    " is that of the fullest GPU.",
    bad=job(training="stack = deepspeed  global_batch_size = 32", parallelism="pipeline = 4  zero_stage = 3"),
    good=job(training="stack = deepspeed  global_batch_size = 32", parallelism="pipeline = 2  zero_stage = 1"),
)


def alternative_findings(plan: Plan, findings: Iterable[Finding], bench: Bench) -> list[Finding]:
    """One note with layouts that work, if a rule refuses this one."""
    if not any(map(_refuses_the_layout, findings)):
        return []
    nodes, world = plan.hardware.nodes, plan.hardware.world_size
    whole = [str(trial) for trial in islice(working_layouts(bench, nodes), _SHOWN)]
    half = [str(trial) for trial in islice(working_layouts(bench, nodes // 2), _SHOWN)] if nodes % 2 == 0 else []
    said = [f"of the {world:,} GPUs: {'; '.join(whole)}"] if whole else []
    said += [f"of {world // 2:,} GPUs: {'; '.join(half)}"] if half else []
    if not said:
        return []
    message = "layouts that are legal and fit, with the memory of the fullest GPU, " + ". ".join(said)
    return [LAYOUTS_THAT_WORK.finding(message, blamed(plan, "parallelism"))]


def working_layouts(bench: Bench, nodes: int) -> Iterator[Trial]:
    """Layouts of so many nodes that nothing speaks against and that fit; the least divided first."""
    estimated = 0
    for changes in _candidates(bench, nodes):
        plans = bench.plans(changes)
        found = bench.findings(plans)
        if any(map(_speaks_against_the_layout, found)) or not bench.accepts(plans):
            continue
        trial = bench.estimated(changes, plans)
        estimated += 1
        if trial.fits:
            yield trial
        if estimated == _ESTIMATED:
            return


def _speaks_against_the_layout(finding: Finding) -> bool:
    return "FT200" < finding.code < LAYOUTS_THAT_WORK.code or finding.code in ("FT301", "FT331")


def _refuses_the_layout(finding: Finding) -> bool:
    """An error of the layout itself: the batch (FT280 on) is mended more easily."""
    return finding.severity is Severity.ERROR and "FT200" < finding.code < "FT280"


def _candidates(bench: Bench, nodes: int) -> Iterator[Changes]:
    """Every tensor inside a node and every pipeline that divides the layers, in order of their product."""
    plan = bench.plan
    world = nodes * plan.hardware.gpus_per_node
    layers, context = plan.model.shape.num_hidden_layers, plan.parallelism.context
    pipelines = [degree for degree in divisors(layers) if degree <= _DEEPEST_PIPELINE]
    pairs = [(tensor, pipeline) for tensor in divisors(plan.hardware.gpus_per_node) for pipeline in pipelines]
    for tensor, pipeline in sorted(pairs, key=lambda pair: (pair[0] * pair[1], pair[1])):
        data, rest = divmod(world, tensor * pipeline * context)
        if rest == 0 and _batch_divides(plan, data):
            yield _layout(bench, nodes, tensor, pipeline, data)


def _batch_divides(plan: Plan, data: int) -> bool:
    training = plan.training
    written = is_written(plan, "training.global_batch_size")
    return not written or training.global_batch_size % (training.micro_batch_size * data) == 0


def _layout(bench: Bench, nodes: int, tensor: int, pipeline: int, data: int) -> Changes:
    """What to write for a layout, sharding as far as the job's stacks can; what stays as it is is left out."""
    plan = bench.plan
    layout, training, precision = plan.parallelism, plan.training, plan.precision
    wanted: dict[str, Any] = {
        "hardware.nodes": nodes,
        "parallelism.tensor": tensor,
        "parallelism.pipeline": pipeline,
        "parallelism.data": data,
        "parallelism.virtual_pipeline": 1,
        "parallelism.schedule": "1f1b",
        "parallelism.sequence_parallel": _sequence_parallel(bench, tensor, pipeline),
        "parallelism.zero_stage": _zero_stage(bench, pipeline, data * layout.context),
        "parallelism.expert_tensor": min(layout.expert_tensor, tensor),
    }
    if is_written(plan, "parallelism.distributed_optimizer"):
        wanted["parallelism.distributed_optimizer"] = (
            wanted["parallelism.zero_stage"] == 1 and "megatron" in bench.stacks
        )
    if is_written(plan, "training.gradient_accumulation_steps") and is_written(plan, "training.global_batch_size"):
        samples = training.micro_batch_size * data
        wanted["training.gradient_accumulation_steps"] = training.global_batch_size // samples
    if all(stack not in ("ddp", "fsdp2") for stack in bench.stacks) and precision.parameters != "fp32":
        wanted["precision.master_parameters"] = "fp32"
    return {path: value for path, value in wanted.items() if _told(plan, path, value)}


_ALWAYS_TOLD = {"parallelism.tensor": 1, "parallelism.pipeline": 1, "parallelism.data": 0, "parallelism.zero_stage": 0}
"""What makes a layout readable, above these values."""


def _told(plan: Plan, path: str, value: Any) -> bool:
    """Whether it has to be written: it differs from the plan, and does not follow by itself."""
    block, _, name = path.partition(".")
    if path in _ALWAYS_TOLD and value > _ALWAYS_TOLD[path]:
        return True
    if path in ("parallelism.expert_tensor", "parallelism.schedule") and not is_written(plan, path):
        return False
    return bool(getattr(getattr(plan, block), name) != value)


def _sequence_parallel(bench: Bench, tensor: int, pipeline: int) -> bool:
    """On with tensor parallelism wherever Megatron's layers run: AutoTP has none, and the experts need it."""
    autotp = "deepspeed" in bench.stacks and pipeline == 1
    written = bench.plan.parallelism.sequence_parallel
    return tensor > 1 and not autotp and (written or any("megatron" in stack for stack in bench.stacks))


def _zero_stage(bench: Bench, pipeline: int, ranks: int) -> int:
    if ranks == 1 and "fsdp2" not in bench.stacks:
        return 0
    if pipeline == 1 and all(has_feature(stack, "ZeRO stage 3") for stack in bench.stacks):
        return 3
    return 1 if all(has_feature(stack, "ZeRO stage 1") for stack in bench.stacks) else 0
