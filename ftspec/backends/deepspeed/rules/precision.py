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
_OPTIMIZER = "training.optimizer"
_GRADIENTS, _MASTER, _STATES = "precision.gradients", "precision.master_parameters", "precision.optimizer_states"


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
    both_16_bit = "fp32" not in (plan.precision.compute, parameters, gradients)
    if gradients == parameters or both_16_bit:  # two different 16-bit types are refused on every stack
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
    "16-bit master parameters on the host need DeepSpeed's Adam",
    "`bf16_master_weights_and_grads` and `fp16_master_weights_and_grads` with an offloaded optimizer are refused "
    "unless it is DeepSpeedCPUAdam (deepspeed/runtime/base_optimizer.py, `_configure_master_weights`).",
    bad=job(
        precision="compute = fp16  master_parameters = none",
        training="optimizer = lion",
        parallelism="zero_stage = 2  offload { optimizer = cpu }",
    )
    + TARGET,
    good=job(
        precision="compute = fp16  master_parameters = none",
        training="optimizer = adamw",
        parallelism="zero_stage = 2  offload { optimizer = cpu }",
    )
    + TARGET,
)
def narrow_masters_on_the_host_need_cpu_adam(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """No fp32 copy, offloaded: adamw or adam, fused."""
    precision, optimizer = plan.precision, plan.training.optimizer
    if (
        precision.master_parameters == "fp32"
        or precision.parameters == "fp32"
        or plan.parallelism.offload_optimizer == "none"
    ):
        return
    if optimizer.kind not in ("adamw", "adam") or not optimizer.fused or on_cpu(plan):
        message = f"{precision.parameters} master parameters on the host need DeepSpeed's own CPU Adam"
        help = "write optimizer = adamw with fused = true, or master_parameters = fp32"
        yield rule.finding(message, blamed(plan, _OPTIMIZER, _MASTER), help, replacing(plan, _MASTER, "fp32"))


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
    if precision.optimizer_states == "int8":
        return
    span = blamed(plan, _STATES, _MASTER, "training.optimizer")
    narrow = precision.parameters != "fp32" and precision.master_parameters == "none"
    allowed = ("fp32", precision.parameters) if narrow else ("fp32",)
    if precision.optimizer_states not in allowed:
        message = (
            f"DeepSpeed keeps the optimizer states in fp32 beside fp32 parameters, not in {precision.optimizer_states}"
        )
        without = f", or master_parameters = none beside {precision.optimizer_states} states"
        help = "write optimizer_states = fp32" + (without if precision.optimizer_states == precision.parameters else "")
        yield rule.finding(message, span, help, replacing(plan, _STATES, "fp32"))


@deepspeed_rule(
    "FT514",
    Severity.NOTE,
    "DeepSpeed holds adapters in the model's type",
    "With bf16 or fp16 on, the engine casts every floating-point parameter, fp32 adapters too, and keeps "
    "their precision in the "
    "optimizer's fp32 copy (deepspeed/runtime/engine.py, `_cast_module_mixed_precision`).",
    bad=job(training="method = lora { rank = 8 }", parallelism="zero_stage = 1") + TARGET,
    good=job(training="method = lora { rank = 8  adapter_dtype = bf16 }", parallelism="zero_stage = 1") + TARGET,
)
def adapters_have_the_models_type(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """fp32 adapters under a 16-bit mode."""
    method, parameters = plan.training.method, plan.precision.parameters
    if method.kind in ("lora", "qlora") and method.adapter_dtype == "fp32" and parameters != "fp32":
        message = f"DeepSpeed casts fp32 adapters to {parameters} and keeps an fp32 copy of them in the optimizer"
        help = "write adapter_dtype = bf16 to say the same, or precision.parameters = fp32 for autocast"
        yield rule.finding(message, blamed(plan, "training.method.adapter_dtype", "training.method"), help)
