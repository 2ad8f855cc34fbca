"""Layouts that DeepSpeed cannot build, or leaves to the training script."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.deepspeed.facts import shards_layers_itself, spreads_experts_itself, uses_ulysses
from ftspec.backends.deepspeed.rules.registry import TARGET, deepspeed_rule
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import SMALL_MIXTRAL, job
from ftspec.rules.wording import blamed, replacing

_TENSOR, _CONTEXT = "parallelism.tensor", "parallelism.context"
_EXPERT_TENSOR = "parallelism.expert_tensor"


@deepspeed_rule(
    "FT550",
    Severity.WARNING,
    "AutoTP with ZeRO 3 works in recent versions only",
    "DeepSpeed 0.19 partitions AutoTP's shards over the data-parallel group (deepspeed/runtime/engine.py, "
    "`_configure_tensor_parallel_states`); older versions refuse the pair when the engine starts.",
    bad=job(parallelism="tensor = 2  zero_stage = 3") + TARGET,
    good=job(parallelism="tensor = 2  zero_stage = 2") + TARGET,
)
def autotp_below_stage_3(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """tensor > 1 at zero_stage 3 under DeepSpeed alone."""
    if shards_layers_itself(plan) and plan.parallelism.zero_stage == 3:
        message = (
            f"tensor = {plan.parallelism.tensor} (AutoTP) with ZeRO 3 needs DeepSpeed 0.19 or later; ZeRO "
            "3 alone shards the parameters as well"
        )
        yield rule.finding(message, blamed(plan, _TENSOR), "write tensor = 1 with zero_stage = 3, or zero_stage = 2")


@deepspeed_rule(
    "FT551",
    Severity.ERROR,
    "DeepSpeed's sequence parallelism excludes this layout",
    "Under DeepSpeed `context` is Ulysses: attention heads are exchanged over the group, so they must "
    "divide by it, and the device mesh has two "
    "axes, data and sequence, and no others (deepspeed/__init__.py, `initialize`).",
    bad=job(parallelism="tensor = 2  context = 2  zero_stage = 1") + TARGET,
    good=job(parallelism="context = 2  zero_stage = 1") + TARGET,
)
def ulysses_stands_alone(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """context > 1 under DeepSpeed needs tensor = pipeline = 1."""
    if not uses_ulysses(plan):
        return
    layout, span = plan.parallelism, blamed(plan, _CONTEXT)
    if layout.tensor > 1 or layout.pipeline > 1:
        other = f"tensor = {layout.tensor}" if layout.tensor > 1 else f"pipeline = {layout.pipeline}"
        message = f"DeepSpeed's sequence parallelism (context = {layout.context}) does not go with {other}"
        yield rule.finding(message, span, "write tensor = 1 and pipeline = 1, or training.stack = megatron_deepspeed")
    if layout.expert > 1 and layout.zero_stage == 3:
        message = "DeepSpeed's expert parallelism with ZeRO 3 does not go with its sequence parallelism"
        yield rule.finding(message, span, "write zero_stage = 2, or context = 1")


@deepspeed_rule(
    "FT554",
    Severity.ERROR,
    "DeepSpeed's expert parallelism excludes this layout",
    "AutoEP does not cut a single expert (`expert_tensor_parallel_size` must be 1), and with tensor "
    "parallelism it does not offload "
    "(deepspeed/module_inject/auto_ep_folding.py). DeepSpeed's own MoE layers, which Megatron-DeepSpeed "
    "builds, are refused at ZeRO 3.",
    bad=job(model=SMALL_MIXTRAL, parallelism="tensor = 2  expert = 2  zero_stage = 1") + TARGET,
    good=job(model=SMALL_MIXTRAL, parallelism="tensor = 2  expert = 2  expert_tensor = 1  zero_stage = 1") + TARGET,
)
def experts_can_be_spread(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """expert > 1 needs whole experts, and no offload beside tensor parallelism."""
    layout = plan.parallelism
    span = blamed(plan, _EXPERT_TENSOR, "parallelism.expert")
    if spreads_experts_itself(plan):
        if layout.expert_tensor != 1:
            message = (
                f"DeepSpeed's expert parallelism keeps experts whole: expert_tensor = {layout.expert_tensor} is refused"
            )
            yield rule.finding(message, span, "write expert_tensor = 1", replacing(plan, _EXPERT_TENSOR, 1))
        if layout.tensor > 1 and (layout.offload_optimizer, layout.offload_parameters) != ("none", "none"):
            message = f"DeepSpeed refuses offload with expert = {layout.expert} and tensor = {layout.tensor}"
            yield rule.finding(message, blamed(plan, "parallelism.offload"), "write tensor = 1, or leave offload out")
    elif layout.expert > 1 and plan.training.stack == "megatron_deepspeed" and layout.zero_stage == 3:
        message = "DeepSpeed's MoE layers do not work with ZeRO 3"
        yield rule.finding(
            message, blamed(plan, "parallelism.zero_stage"), "write zero_stage = 1 or 2, or stack = deepspeed"
        )


@deepspeed_rule(
    "FT555",
    Severity.NOTE,
    "the training script divides the layers",
    "With a pipeline DeepSpeed takes tensor (and expert) parallelism from the PipelineModule's topology: "
    "the training script builds it from layers "
    "that are parallel already, such as Megatron's.",
    bad=job(training="global_batch_size = 64", parallelism="tensor = 2  pipeline = 2") + TARGET,
    good=job(training="global_batch_size = 64", parallelism="pipeline = 2") + TARGET,
)
def script_divides_the_layers(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """tensor beside pipeline is in the PipelineModule's topology."""
    layout = plan.parallelism
    if plan.training.stack == "deepspeed" and layout.tensor > 1 and layout.pipeline > 1:
        experts = f" and expert = {layout.expert} are" if layout.expert > 1 else " is"
        message = (
            f"with a pipeline DeepSpeed does not cut the layers itself: tensor = {layout.tensor}{experts} not in its"
            " file"
        )
        topology = (
            f"PipeModelDataParallelTopology(num_pp={layout.pipeline}, num_mp={layout.tensor}, num_dp={layout.data})"
        )
        yield rule.finding(
            message,
            blamed(plan, _TENSOR),
            f"build the PipelineModule with topology={topology}, from layers such as Megatron's",
        )
