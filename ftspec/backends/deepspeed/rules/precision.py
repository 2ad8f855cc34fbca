"""Data types that DeepSpeed does not hold."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.deepspeed.facts import on_cpu
from ftspec.backends.deepspeed.rules.registry import TARGET, deepspeed_rule
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.wording import blamed, replacing

_COMPUTE, _PARAMETERS = "precision.compute", "precision.parameters"
_GRADIENTS, _MASTER, _STATES = "precision.gradients", "precision.master_parameters", "precision.optimizer_states"


@deepspeed_rule(
    "FT510",
    Severity.ERROR,
    "DeepSpeed has no such pair of compute and parameter types",
    "DeepSpeed computes in the type of the parameters (`bf16`, `fp16` or neither), or casts fp32 "
    "parameters (`torch_autocast`). "
    "It has no switch for fp8: that is in Transformer Engine's layers, which Megatron's training script builds.",
    bad=job(precision="compute = fp8", parallelism="zero_stage = 1") + TARGET,
    good=job(precision="compute = bf16", parallelism="zero_stage = 1") + TARGET,
)
def compute_type_is_held(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """`compute` is the parameters' type, or a 16-bit type over fp32 parameters; fp8 needs Megatron's layers."""
    compute, parameters = plan.precision.compute, plan.precision.parameters
    if compute == "fp8":
        if plan.training.stack == "deepspeed":
            help = "write compute = bf16, or training.stack = megatron_deepspeed, whose layers can compute in fp8"
            yield rule.finding(
                "DeepSpeed cannot compute in fp8", blamed(plan, _COMPUTE), help, replacing(plan, _COMPUTE, "bf16")
            )
    elif parameters not in (compute, "fp32"):
        message = (
            f"DeepSpeed cannot compute in {compute} over {parameters} parameters: its {parameters} block sets both"
        )
        yield rule.finding(
            message,
            blamed(plan, _PARAMETERS, _COMPUTE),
            f"write parameters = {compute}, or parameters = fp32 for autocast",
        )


@deepspeed_rule(
    "FT511",
    Severity.ERROR,
    "DeepSpeed cannot accumulate gradients in this type",
    "Without ZeRO the engine takes gradients in the parameters' type only, and stops when it starts with another; "
    "with ZeRO it can also accumulate in fp32 (deepspeed/runtime/engine.py, `_do_optimizer_sanity_check`).",
    bad=job(precision="compute = bf16  gradients = fp32", parallelism="zero_stage = 0") + TARGET,
    good=job(precision="compute = bf16  gradients = fp32", parallelism="zero_stage = 1") + TARGET,
)
def gradient_type_is_taken(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Gradients are in the parameters' type, or with ZeRO in fp32."""
    parameters, gradients = plan.precision.parameters, plan.precision.gradients
    if gradients == parameters:
        return
    span, fix = blamed(plan, _GRADIENTS, _PARAMETERS, _COMPUTE), replacing(plan, _GRADIENTS, parameters)
    if gradients != "fp32":
        message = f"DeepSpeed cannot accumulate {gradients} gradients of {parameters} parameters"
        yield rule.finding(message, span, f"write gradients = {parameters}", fix)
    elif plan.parallelism.zero_stage == 0:
        message = f"DeepSpeed cannot accumulate the gradients of {parameters} parameters in fp32 without ZeRO"
        yield rule.finding(
            message, span, f"write gradients = {parameters}, or parallelism.zero_stage = 1 (or above)", fix
        )
    elif plan.precision.master_parameters == "none":
        message = (
            f"without fp32 master parameters DeepSpeed keeps the optimizer's gradients in {parameters} too, not in fp32"
        )
        yield rule.finding(message, span, f"write gradients = {parameters}, or master_parameters = fp32", fix)


@deepspeed_rule(
    "FT512",
    Severity.ERROR,
    "DeepSpeed keeps other master parameters than this",
    "16-bit parameters have an fp32 copy in the optimizer unless `bf16_master_weights_and_grads` or "
    "`fp16_master_weights_and_grads` "
    "is on, which ZeRO alone offers: bf16 with bf16 optimizer states, or with the optimizer on the host "
    "(DeepSpeedCPUAdam); fp16 only on "
    "the host (deepspeed/runtime/base_optimizer.py, `_configure_master_weights`).",
    bad=job(precision="compute = fp16  master_parameters = none", parallelism="zero_stage = 2") + TARGET,
    good=job(
        precision="compute = fp16  master_parameters = none", parallelism="zero_stage = 2  offload { optimizer = cpu }"
    )
    + TARGET,
)
def master_parameters_can_be_left_out(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """No fp32 copy only where ZeRO can do without."""
    precision, layout = plan.precision, plan.parallelism
    parameters, span = precision.parameters, blamed(plan, _MASTER)
    if parameters == "fp32" or precision.master_parameters == "fp32":
        return
    keep = replacing(plan, _MASTER, "fp32")
    if layout.zero_stage == 0:
        message = f"without ZeRO DeepSpeed always keeps an fp32 copy of {parameters} parameters"
        yield rule.finding(
            message, span, "write master_parameters = fp32, or parallelism.zero_stage = 1 (or above)", keep
        )
        return
    on_device = parameters == "bf16" and precision.optimizer_states == "bf16"
    on_host = layout.offload_optimizer != "none" and _has_cpu_adam(plan)
    if not on_host and (not on_device or layout.offload_optimizer != "none"):
        states = " with optimizer_states = bf16, or" if parameters == "bf16" else ""
        message = f"DeepSpeed does without an fp32 copy of {parameters} parameters only{states} with adamw on the host"
        also = "optimizer_states = bf16, or " if parameters == "bf16" else ""
        yield rule.finding(
            message,
            span,
            f"write master_parameters = fp32, or {also}parallelism.offload {{ optimizer = cpu }} with adamw",
            keep,
        )


def _has_cpu_adam(plan: Plan) -> bool:
    optimizer = plan.training.optimizer
    return optimizer.kind in ("adamw", "adam") and optimizer.fused and not on_cpu(plan)


@deepspeed_rule(
    "FT513",
    Severity.ERROR,
    "DeepSpeed cannot hold optimizer states in this type",
    "The moments have the type of the master parameters. Without fp32 master parameters they can be narrower: "
    "`bf16_optimizer_states`, or on the host `fp32_optimizer_states = false`. 8-bit states are a property "
    "of adamw_8bit.",
    bad=job(precision="compute = bf16  optimizer_states = bf16", parallelism="zero_stage = 1") + TARGET,
    good=job(
        precision="compute = bf16  master_parameters = none  optimizer_states = bf16", parallelism="zero_stage = 1"
    )
    + TARGET,
)
def states_have_a_type(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """States are fp32 beside fp32 master parameters, else fp32 or the parameters' type."""
    precision = plan.precision
    if plan.training.optimizer.kind == "adamw_8bit":
        return
    span = blamed(plan, _STATES, _MASTER, "training.optimizer")
    if precision.optimizer_states == "int8":
        help = "write optimizer = adamw_8bit, which the training script passes to DeepSpeed, or optimizer_states = fp32"
        yield rule.finding(f"DeepSpeed's {plan.training.optimizer.kind} has no 8-bit states", span, help)
        return
    narrow = precision.parameters != "fp32" and precision.master_parameters == "none"
    allowed = ("fp32", precision.parameters) if narrow else ("fp32",)
    if precision.optimizer_states not in allowed:
        message = (
            f"DeepSpeed keeps the optimizer states in fp32 beside fp32 parameters, not in {precision.optimizer_states}"
        )
        without = f", or master_parameters = none beside {precision.optimizer_states} states"
        help = "write optimizer_states = fp32" + (without if precision.optimizer_states == precision.parameters else "")
        yield rule.finding(message, span, help, replacing(plan, _STATES, "fp32"))
