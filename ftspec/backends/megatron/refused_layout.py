"""What Megatron cannot express about the layout, beyond what its stack lacks: offload without sharding."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.blame import blame
from ftspec.backends.megatron.examples import LENGTH, megatron_job
from ftspec.backends.megatron.layout_arguments import offloads_states, shards_states
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan

OFFLOAD = declare(
    "FT603",
    Severity.ERROR,
    "Megatron cannot offload this",
    "Megatron offloads optimizer states to host memory (--optimizer-cpu-offload) with the distributed optimizer and "
    "adamw only: validate_args wants --use-precision-aware-optimizer, which OptimizerConfig refuses otherwise.",
    megatron_job(
        training=f"optimizer = sgd {{ }}  {LENGTH}", parallelism="zero_stage = 1  offload { optimizer = cpu }"
    ),
    megatron_job(parallelism="zero_stage = 1  offload { optimizer = cpu }"),
)
_OFFLOAD = "parallelism.offload"


def offload_is_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Optimizer states, with the distributed optimizer and adamw only."""
    span = blame(plan, target, f"{_OFFLOAD}.optimizer")
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
