"""Rules over what is moved out of GPU memory."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed

_OPTIMIZER, _PARAMETERS = "parallelism.offload.optimizer", "parallelism.offload.parameters"
_DEEPSPEED = ("deepspeed", "megatron_deepspeed")


@plan_rule(
    "FT245",
    Severity.ERROR,
    "the optimizer is offloaded without ZeRO",
    "DeepSpeed offloads the optimizer inside ZeRO. At stage 0 it reads offload_optimizer and ignores it: everything"
    " stays on the GPU.",
    bad=job(training="stack = deepspeed", parallelism="zero_stage = 0  offload { optimizer = cpu }"),
    good=job(training="stack = deepspeed", parallelism="zero_stage = 2  offload { optimizer = cpu }"),
)
def offloaded_optimizer_needs_zero(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """offload.optimizer at zero_stage 0 on DeepSpeed."""
    layout = plan.parallelism
    if plan.training.stack in _DEEPSPEED and layout.offload_optimizer != "none" and layout.zero_stage == 0:
        yield rule.finding(
            f"offload.optimizer = {layout.offload_optimizer} needs ZeRO, and zero_stage is 0: DeepSpeed ignores it in"
            " silence",
            blamed(plan, _OPTIMIZER),
            "write zero_stage = 1, 2 or 3, or remove the offload",
        )


@plan_rule(
    "FT246",
    Severity.ERROR,
    "the parameters are offloaded below ZeRO 3",
    "Only ZeRO 3 gathers parameters when they are needed; below it DeepSpeed reads offload_param and ignores it.",
    bad=job(training="stack = deepspeed", parallelism="zero_stage = 2  offload { parameters = cpu }"),
    good=job(training="stack = deepspeed", parallelism="zero_stage = 3  offload { parameters = cpu }"),
)
def offloaded_parameters_need_stage_three(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """offload.parameters below zero_stage 3 on DeepSpeed."""
    layout = plan.parallelism
    if plan.training.stack in _DEEPSPEED and layout.offload_parameters != "none" and layout.zero_stage < 3:
        yield rule.finding(
            f"offload.parameters = {layout.offload_parameters} needs ZeRO 3, and zero_stage is {layout.zero_stage}:"
            " DeepSpeed ignores it in silence",
            blamed(plan, _PARAMETERS),
            "write zero_stage = 3, or remove the offload",
        )


@plan_rule(
    "FT247",
    Severity.ERROR,
    "NVMe offload of the optimizer below ZeRO 3",
    "The swapper that moves optimizer states to NVMe is part of ZeRO 3; ZeRO 1 and 2 take nvme for cpu in silence"
    " (deepspeed/runtime/engine.py, `zero_cpu_offload`) and fill the host's memory.",
    bad=job(training="stack = deepspeed", parallelism="zero_stage = 2  offload { optimizer = nvme }"),
    good=job(training="stack = deepspeed", parallelism="zero_stage = 3  offload { optimizer = nvme }"),
)
def nvme_needs_stage_three(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """offload.optimizer = nvme at zero_stage 1 or 2."""
    layout = plan.parallelism
    if plan.training.stack in _DEEPSPEED and layout.offload_optimizer == "nvme" and layout.zero_stage in (1, 2):
        yield rule.finding(
            f"offload.optimizer = nvme needs ZeRO 3, and zero_stage is {layout.zero_stage}: DeepSpeed takes it for"
            " cpu in silence",
            blamed(plan, _OPTIMIZER),
            "write zero_stage = 3, or offload to cpu",
        )


@plan_rule(
    "FT248",
    Severity.ERROR,
    "fsdp2 offloads the optimizer with the parameters or not at all",
    "FSDP2's CPUOffloadPolicy moves parameters, gradients and optimizer states together (torch.distributed.fsdp).",
    bad=job(training="stack = fsdp2", precision="parameters = fp32", parallelism="offload { optimizer = cpu }"),
    good=job(
        training="stack = fsdp2",
        precision="parameters = fp32",
        parallelism="offload { optimizer = cpu  parameters = cpu }",
    ),
)
def fsdp_offloads_both(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """offload.optimizer and offload.parameters differ on fsdp2."""
    layout = plan.parallelism
    offloads = {layout.offload_optimizer, layout.offload_parameters}
    if plan.training.stack == "fsdp2" and offloads == {"none", "cpu"}:
        yield rule.finding(
            f"offload.optimizer = {layout.offload_optimizer} with offload.parameters = {layout.offload_parameters}:"
            " fsdp2 moves both or neither",
            blamed(plan, _OPTIMIZER, _PARAMETERS),
            "write offload { optimizer = cpu  parameters = cpu }",
        )
