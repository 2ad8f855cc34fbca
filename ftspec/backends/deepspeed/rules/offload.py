"""Offload that DeepSpeed takes and does not do, or cannot do."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.deepspeed.rules.registry import TARGET, deepspeed_rule
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.wording import blamed, replacing

_OPTIMIZER, _PARAMETERS = "parallelism.offload.optimizer", "parallelism.offload.parameters"
_STAGE = "parallelism.zero_stage"


@deepspeed_rule(
    "FT522",
    Severity.ERROR,
    "offload to nvme has no path",
    "DeepSpeed accepts `device: nvme` without `nvme_path` and stops when it first swaps.",
    bad=job(parallelism="zero_stage = 3  offload { optimizer = nvme }") + TARGET,
    good=job(parallelism="zero_stage = 3  offload { optimizer = nvme }")
    + 'target deepspeed { nvme_path = "/local_nvme" }\n',
)
def nvme_needs_a_path(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Offload to nvme needs `nvme_path`."""
    layout = plan.parallelism
    if "nvme" in (layout.offload_optimizer, layout.offload_parameters) and not target.options.nvme_path:
        path = _OPTIMIZER if layout.offload_optimizer == "nvme" else _PARAMETERS
        help = 'write nvme_path = "/local_nvme" (a directory on each node\'s own drive) in target deepspeed'
        yield rule.finding(
            "offload to nvme needs a directory, and target deepspeed names none", blamed(plan, path), help
        )


@deepspeed_rule(
    "FT524",
    Severity.WARNING,
    "the offloaded optimizer has no kernel for the host",
    "DeepSpeed has vectorized CPU versions of Adam and Lion. Another optimizer runs through torch on the "
    "host, many times slower.",
    bad=job(
        training="optimizer = sgd { learning_rate = 0.1 }", parallelism="zero_stage = 2  offload { optimizer = cpu }"
    )
    + TARGET,
    good=job(training="optimizer = adamw", parallelism="zero_stage = 2  offload { optimizer = cpu }") + TARGET,
)
def offloaded_optimizer_is_fast(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """An offloaded optimizer is DeepSpeedCPUAdam or DeepSpeedCPULion."""
    optimizer = plan.training.optimizer
    if plan.parallelism.offload_optimizer == "none" or plan.parallelism.zero_stage == 0:
        return
    if optimizer.kind in ("sgd", "adafactor"):
        message = (
            f"{optimizer.kind} has no CPU kernel in DeepSpeed: on the host it steps through torch, many "
            "times slower than adamw or lion"
        )
        yield rule.finding(
            message,
            blamed(plan, "training.optimizer", _OPTIMIZER),
            "write optimizer = adamw or lion, or offload.optimizer = none",
        )
    elif optimizer.kind in ("adamw", "adam") and not optimizer.fused:
        message = (
            f"fused = false makes the offloaded {optimizer.kind} torch's, many times slower than DeepSpeed's CPU kernel"
        )
        yield rule.finding(
            message,
            blamed(plan, "training.optimizer.fused"),
            "write fused = true",
            replacing(plan, "training.optimizer.fused", "true"),
        )


@deepspeed_rule(
    "FT525",
    Severity.ERROR,
    "DeepSpeed refuses to offload this optimizer",
    "An optimizer that the training script passes is refused with offload "
    "(`zero_force_ds_cpu_optimizer`), and bitsandbytes' 8-bit AdamW runs on the GPU only.",
    bad=job(training="optimizer = adamw_8bit", parallelism="zero_stage = 2  offload { optimizer = cpu }") + TARGET,
    good=job(training="optimizer = adamw", parallelism="zero_stage = 2  offload { optimizer = cpu }") + TARGET,
)
def offloaded_optimizer_is_deepspeeds(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """adamw_8bit stays on the GPU."""
    if plan.parallelism.offload_optimizer != "none" and plan.training.optimizer.kind == "adamw_8bit":
        message = (
            "adamw_8bit cannot be offloaded: it is bitsandbytes' GPU optimizer, and DeepSpeed offloads only its own"
        )
        yield rule.finding(
            message,
            blamed(plan, "training.optimizer", _OPTIMIZER),
            "write optimizer = adamw, or offload.optimizer = none",
        )
