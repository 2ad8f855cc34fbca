"""Rules over what is moved out of GPU memory."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.memory.deepspeed.engine import largest_tensor
from ftspec.memory.holdings import replicas
from ftspec.memory.kinds import kinds_of
from ftspec.memory.numbers import parts
from ftspec.memory.trained import frozen_ends, frozen_layer, trained_ends, trained_layer
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed

_OPTIMIZER, _PARAMETERS = "parallelism.offload.optimizer", "parallelism.offload.parameters"
_FULL_8B, _TWO = 'from = "meta-llama/Llama-3.1-8B"', 'gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 2'
_TRAINING = "stack = deepspeed  activation_checkpointing = full"
_NVME = "zero_stage = 3  offload { optimizer = nvme  parameters = nvme }"
_BUFFER = "zero_optimization {{ offload_param {{ buffer_size = {size} }} }}"
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


@plan_rule(
    "FT249",
    Severity.ERROR,
    "a parameter is larger than the buffers that carry it from NVMe",
    "With parameters on NVMe a rank's part of each tensor passes through a buffer of `buffer_size` elements, by default"
    " 100 million. DeepSpeed refuses a larger part when it first divides the parameters"
    " (deepspeed/runtime/swap_tensor/partitioned_param_swapper.py, `get_buffer`). It is the embedding or the head of a"
    " large vocabulary over few GPUs, or the joined experts of a layer.",
    bad=job(model=_FULL_8B, hardware=_TWO, training=_TRAINING, parallelism=_NVME),
    good=job(model=_FULL_8B, hardware=_TWO, training=_TRAINING, parallelism=_NVME)
    + f'target deepspeed {{ nvme_path = "/local_nvme"  raw {{ {_BUFFER.format(size=262_668_288)} }} }}\n',
)
def parameters_pass_through_their_buffers(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A rank's part of the largest tensor against `offload_param.buffer_size`."""
    layout = plan.parallelism
    if plan.training.stack not in _DEEPSPEED or layout.offload_parameters != "nvme" or layout.zero_stage < 3:
        return
    part, size = _largest_part(plan), plan.zero.param_buffer_size
    if part > size:
        yield rule.finding(
            f"a rank's part of the largest tensor has {part:,} elements, and the buffers for parameters on nvme have"
            f" {size:,}: DeepSpeed refuses it",
            blamed(plan, _PARAMETERS),
            f"write target deepspeed {{ raw {{ {_BUFFER.format(size=part)} }} }}, or use more GPUs",
        )


def _largest_part(plan: Plan) -> int:
    """Elements of it, padded (deepspeed/runtime/zero/partition_parameters.py, `_partition_param`, `_aligned_size`)."""
    kinds = kinds_of(plan).each
    layers = [of(plan, kind) for kind in kinds for of in (trained_layer, frozen_layer)]
    ends = [of(plan, embedding=True, head=True) for of in (trained_ends, frozen_ends)]
    return parts(largest_tensor([*layers, *ends]), replicas(plan).dense)
