"""What Megatron cannot express about data types."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.blame import blame
from ftspec.backends.megatron.examples import megatron_job
from ftspec.backends.megatron.layout_arguments import shards_states
from ftspec.backends.megatron.precision_arguments import narrow_states
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan

PARAMETERS = declare(
    "FT611",
    Severity.ERROR,
    "Megatron holds parameters in the compute type",
    "Megatron has no autocast: with --bf16 or --fp16 the parameters have that type, beside an fp32 master copy in "
    "the optimizer; fp8 products run over 16-bit parameters.",
    megatron_job(precision="compute = bf16  parameters = fp32"),
    megatron_job(precision="compute = bf16  parameters = bf16"),
)
GRADIENTS = declare(
    "FT613",
    Severity.ERROR,
    "Megatron accumulates gradients of fp32 parameters in fp32",
    "Megatron accumulates in fp32 or in the parameters' type.",
    megatron_job(precision="compute = fp32  gradients = bf16"),
    megatron_job(precision="compute = fp32  gradients = fp32"),
)
STATES = declare(
    "FT614",
    Severity.ERROR,
    "Megatron cannot hold the optimizer's moments in this type",
    "Moments are fp32; bf16 needs --use-precision-aware-optimizer, which OptimizerConfig refuses without the "
    "distributed optimizer and with any optimizer but adam. int8 does not exist.",
    megatron_job(precision="optimizer_states = bf16"),
    megatron_job(precision="optimizer_states = bf16", parallelism="zero_stage = 1"),
)


def parameters_have_the_compute_type(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """No autocast over fp32 parameters."""
    precision = plan.precision
    if precision.parameters == "fp32" and precision.compute != "fp32":
        possible = "bf16 or fp16" if precision.compute == "fp8" else precision.compute
        yield PARAMETERS.finding(
            f"precision.parameters = fp32 with compute = {precision.compute} has no argument in Megatron",
            blame(plan, target, "precision.parameters", "precision.compute"),
            f"write parameters = {possible}, or leave it out; Megatron keeps an fp32 master copy",
        )


def gradients_are_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """fp32 where the parameters are."""
    precision = plan.precision
    if precision.parameters == "fp32" and precision.gradients != "fp32":
        yield GRADIENTS.finding(
            f"precision.gradients = {precision.gradients} with fp32 parameters has no argument in Megatron",
            blame(plan, target, "precision.gradients", "precision.parameters"),
            "write gradients = fp32, or leave it out",
        )


def states_are_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """fp32, or 16 bits with the distributed optimizer and adam."""
    states = plan.precision.optimizer_states
    span = blame(plan, target, "precision.optimizer_states", "training.optimizer")
    if states == "fp32":
        return
    if not narrow_states(plan):
        yield STATES.finding(
            f"precision.optimizer_states = {states} with {plan.precision.parameters} parameters has no argument in "
            "Megatron",
            span,
            "write optimizer_states = fp32, or bf16 with 16-bit parameters and zero_stage = 1",
        )
        return
    if not shards_states(plan):
        yield STATES.finding(
            f"precision.optimizer_states = {states} needs Megatron's distributed optimizer",
            span,
            "write zero_stage = 1, or optimizer_states = fp32",
        )
    if plan.training.optimizer.kind not in ("adamw", "adam"):
        yield STATES.finding(
            f"precision.optimizer_states = {states} works in Megatron with adamw only, not with "
            f"{plan.training.optimizer.kind}",
            span,
            "write optimizer = adamw, or optimizer_states = fp32",
        )
