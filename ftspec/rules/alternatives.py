"""Which layouts of the same GPUs would be legal and fit, for a job whose own layout is refused or too large."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import ParallelismPlan, Plan
from ftspec.plan.stages import lay_out_stages
from ftspec.rules.arithmetic import divisors
from ftspec.rules.example import job
from ftspec.rules.registry import plan_findings
from ftspec.rules.stacks import has_feature
from ftspec.rules.wording import blamed, gibibytes

_SHOWN = 3
_DEEPEST_PIPELINE = 32

LAYOUTS_THAT_WORK = declare(
    "FT290",
    Severity.NOTE,
    "other layouts of the same GPUs are legal and fit",
    "Where a layout is refused, ftspec tries the others on the same GPUs and on half of them: those that no rule"
    " refuses, with the same batch, and whose memory fits.",
    bad=job(training="stack = deepspeed  global_batch_size = 32", parallelism="pipeline = 4  zero_stage = 3"),
    good=job(training="stack = deepspeed  global_batch_size = 32", parallelism="pipeline = 2  zero_stage = 1"),
)


def alternative_findings(plan: Plan, findings: Iterable[Finding]) -> list[Finding]:
    """One note with layouts that work, if a rule refuses this one."""
    if not any(map(_refuses_the_layout, findings)):
        return []
    whole = described_layouts(plan)
    half = described_layouts(_on_half_the_nodes(plan)) if plan.hardware.nodes % 2 == 0 else []
    said = [f"of the {plan.hardware.world_size:,} GPUs: {'; '.join(whole)}"] if whole else []
    said += [f"of {plan.hardware.world_size // 2:,} GPUs: {'; '.join(half)}"] if half else []
    if not said:
        return []
    message = "layouts that are legal and fit with this batch, " + ". ".join(said)
    return [LAYOUTS_THAT_WORK.finding(message, blamed(plan, "parallelism"))]


def described_layouts(plan: Plan) -> list[str]:
    """Up to three layouts that work: what to write, and the memory of the fullest GPU."""
    return [
        f"{_description(each.parallelism)} ({gibibytes(peak)} a GPU)"
        for each, peak in islice(working_layouts(plan), _SHOWN)
    ]


def working_layouts(plan: Plan) -> Iterator[tuple[Plan, int]]:
    """Layouts of the plan's GPUs that no rule speaks against and that fit, with peak bytes; the least divided first."""
    for candidate in _candidates(plan):
        if any(map(_speaks_against_the_layout, plan_findings(candidate))):
            continue
        estimate = estimate_memory(candidate)
        if estimate.verdict == "fits":
            yield candidate, estimate.peak_bytes


def _speaks_against_the_layout(finding: Finding) -> bool:
    return finding.severity is not Severity.NOTE and "FT200" < finding.code < LAYOUTS_THAT_WORK.code


def _refuses_the_layout(finding: Finding) -> bool:
    """An error of the layout itself: the batch (FT280 on) is mended more easily."""
    return finding.severity is Severity.ERROR and "FT200" < finding.code < "FT280"


def _candidates(plan: Plan) -> Iterator[Plan]:
    """Every tensor inside a node and every pipeline that divides the layers, in order of their product."""
    world = plan.hardware.world_size
    layers, context = plan.model.shape.num_hidden_layers, plan.parallelism.context
    pipelines = [degree for degree in divisors(layers) if degree <= _DEEPEST_PIPELINE]
    pairs = [(tensor, pipeline) for tensor in divisors(plan.hardware.gpus_per_node) for pipeline in pipelines]
    for tensor, pipeline in sorted(pairs, key=lambda pair: (pair[0] * pair[1], pair[1])):
        data, rest = divmod(world, tensor * pipeline * context)
        if rest == 0 and plan.training.global_batch_size % (plan.training.micro_batch_size * data) == 0:
            yield _with_layout(plan, tensor, pipeline, data)


def _with_layout(plan: Plan, tensor: int, pipeline: int, data: int) -> Plan:
    """The plan with another layout, sharding as far as its stack can, and everything that follows from it."""
    training, precision, stack = plan.training, plan.precision, plan.training.stack
    sharded = has_feature(stack, "ZeRO stage 3") and pipeline == 1
    layout = replace(
        plan.parallelism,
        tensor=tensor,
        pipeline=pipeline,
        virtual_pipeline=1,
        data=data,
        expert_tensor=min(plan.parallelism.expert_tensor, tensor),
        zero_stage=3 if sharded else 1 if has_feature(stack, "ZeRO stage 1") else 0,
        sequence_parallel=tensor > 1 and "megatron" in stack,
        distributed_optimizer=not sharded and has_feature(stack, "distributed optimizer"),
        schedule="1f1b",
    )
    accumulation = training.global_batch_size // (training.micro_batch_size * data)
    master = "fp32" if precision.parameters != "fp32" and stack not in ("ddp", "fsdp2") else precision.master_parameters
    return replace(
        plan,
        parallelism=layout,
        training=replace(training, gradient_accumulation_steps=accumulation),
        precision=replace(precision, master_parameters=master),
        stages=lay_out_stages(plan.model.shape.num_hidden_layers, pipeline, 1),
    )


def _on_half_the_nodes(plan: Plan) -> Plan:
    hardware = plan.hardware
    return replace(plan, hardware=replace(hardware, nodes=hardware.nodes // 2, world_size=hardware.world_size // 2))


def _description(layout: ParallelismPlan) -> str:
    degrees = [f"tensor = {layout.tensor}"] if layout.tensor > 1 else []
    degrees += [f"pipeline = {layout.pipeline}"] if layout.pipeline > 1 else []
    return " ".join([*degrees, f"data = {layout.data}", f"zero_stage = {layout.zero_stage}"])
