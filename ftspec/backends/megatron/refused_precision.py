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
MASTER = declare(
    "FT612",
    Severity.ERROR,
    "Megatron decides itself whether there is a master copy",
    "With 16-bit parameters Megatron always keeps an fp32 master copy; with fp32 parameters it never keeps a second "
    "one.",
    megatron_job(precision="compute = bf16  master_parameters = none"),
    megatron_job(precision="compute = bf16  master_parameters = fp32"),
)
GRADIENTS = declare(
    "FT613",
    Severity.ERROR,
    "Megatron cannot accumulate gradients in this type",
    "Megatron accumulates in fp32 or in the parameters' type.",
    megatron_job(precision="compute = bf16  gradients = fp16"),
    megatron_job(precision="compute = bf16  gradients = fp32"),
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
    """Parameters and master copy."""
    precision = plan.precision
    possible = ("bf16", "fp16") if precision.compute == "fp8" else (precision.compute,)
    if precision.parameters not in possible:
        yield PARAMETERS.finding(
            f"precision.parameters = {precision.parameters} with compute = {precision.compute} has no argument in "
            "Megatron",
            blame(plan, target, "precision.parameters", "precision.compute"),
            f"write parameters = {' or '.join(possible)}, or leave it out",
        )
    expected = "none" if precision.parameters == "fp32" else "fp32"
    if precision.master_parameters != expected:
        yield MASTER.finding(
            f"precision.master_parameters = {precision.master_parameters}: with {precision.parameters} parameters "
            "Megatron keeps " + ("no second copy" if expected == "none" else "an fp32 master copy"),
            blame(plan, target, "precision.master_parameters", "precision.parameters"),
            f"write master_parameters = {expected}, or leave it out",
        )


def gradients_are_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """fp32, or the parameters' type."""
    precision = plan.precision
    if precision.gradients in ("fp32", precision.parameters):
        return
    possible = "fp32" if precision.parameters == "fp32" else f"fp32 or {precision.parameters}"
    yield GRADIENTS.finding(
        f"precision.gradients = {precision.gradients} with {precision.parameters} parameters has no argument in "
        "Megatron",
        blame(plan, target, "precision.gradients", "precision.parameters"),
        f"write gradients = {possible}",
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
