"""What Megatron cannot express about the layout: ZeRO 2 and 3, offload, other schedules."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.blame import blame
from ftspec.backends.megatron.examples import LENGTH, megatron_job
from ftspec.backends.megatron.layout_arguments import beside_deepspeed, offloads_states, shards_states
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan

ZERO = declare(
    "FT601",
    Severity.ERROR,
    "Megatron shards no more than optimizer states",
    "Megatron's distributed optimizer is ZeRO stage 1. Parameters and gradients are divided by tensor and pipeline "
    "parallelism instead.",
    megatron_job(parallelism="zero_stage = 3"),
    megatron_job(parallelism="zero_stage = 1"),
)
UNSHARDED = declare(
    "FT602",
    Severity.ERROR,
    "ZeRO stage 1 without the distributed optimizer",
    "Under Megatron ZeRO stage 1 is the distributed optimizer: one cannot be on and the other off.",
    megatron_job(parallelism="zero_stage = 1  distributed_optimizer = false"),
    megatron_job(parallelism="zero_stage = 1"),
)
OFFLOAD = declare(
    "FT603",
    Severity.ERROR,
    "Megatron cannot offload this",
    "Megatron offloads optimizer states to host memory (--optimizer-cpu-offload), with the distributed optimizer and "
    "adamw only. It offloads no parameters and nothing to NVMe.",
    megatron_job(parallelism="zero_stage = 1  offload { optimizer = nvme }"),
    megatron_job(parallelism="zero_stage = 1  offload { optimizer = cpu }"),
)
SCHEDULE = declare(
    "FT607",
    Severity.ERROR,
    "Megatron does not run this pipeline schedule",
    "Megatron runs 1F1B, and the interleaved schedule exactly where a stage has several chunks (virtual_pipeline).",
    megatron_job(training=f"global_batch_size = 16  {LENGTH}", parallelism="pipeline = 2  schedule = gpipe"),
    megatron_job(training=f"global_batch_size = 16  {LENGTH}", parallelism="pipeline = 2  schedule = 1f1b"),
)
_OFFLOAD = "parallelism.offload"
_SCHEDULE = "parallelism.schedule"


def zero_stage_is_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """ZeRO 0 and 1 only; beside DeepSpeed its own file says the stage."""
    stage = plan.parallelism.zero_stage
    if beside_deepspeed(plan):
        return
    if stage > 1:
        yield ZERO.finding(
            f"parallelism.zero_stage = {stage} has no argument in Megatron, whose distributed optimizer is stage 1",
            blame(plan, target, "parallelism.zero_stage"),
            "write zero_stage = 1 and divide the parameters with tensor and pipeline, or take target deepspeed",
        )
    if stage == 1 and not plan.parallelism.distributed_optimizer:
        yield UNSHARDED.finding(
            "zero_stage = 1 is Megatron's distributed optimizer, and distributed_optimizer is false",
            blame(plan, target, "parallelism.distributed_optimizer", "parallelism.zero_stage"),
            "write distributed_optimizer = true, or zero_stage = 0",
        )


def offload_is_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Optimizer states to the CPU only, with the distributed optimizer and adamw."""
    if beside_deepspeed(plan):
        return
    layout = plan.parallelism
    if layout.offload_parameters != "none":
        yield OFFLOAD.finding(
            f"parallelism.offload.parameters = {layout.offload_parameters}: Megatron offloads no parameters",
            blame(plan, target, f"{_OFFLOAD}.parameters"),
            "write parameters = none, or take target deepspeed with zero_stage = 3",
        )
    span = blame(plan, target, f"{_OFFLOAD}.optimizer")
    if layout.offload_optimizer == "nvme":
        yield OFFLOAD.finding(
            "parallelism.offload.optimizer = nvme: Megatron offloads to host memory only", span, "write optimizer = cpu"
        )
    if offloads_states(plan) and not shards_states(plan):
        yield OFFLOAD.finding(
            "parallelism.offload.optimizer = cpu: Megatron offloads only with its distributed optimizer",
            span,
            "write zero_stage = 1",
        )
    if offloads_states(plan) and plan.training.optimizer.kind not in ("adamw", "adam"):
        yield OFFLOAD.finding(
            f"parallelism.offload.optimizer = cpu: Megatron offloads adamw only, not {plan.training.optimizer.kind}",
            span,
            "write optimizer = adamw, or offload nothing",
        )


def schedule_is_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """No GPipe; what the layout rules say about chunks holds here too."""
    layout = plan.parallelism
    span = blame(plan, target, _SCHEDULE)
    if layout.schedule == "gpipe":
        yield SCHEDULE.finding(
            "parallelism.schedule = gpipe: Megatron runs 1f1b, which has the same bubble and keeps fewer activations",
            span,
            "write schedule = 1f1b, or leave it out",
        )
