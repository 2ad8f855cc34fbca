"""What a plan means to DeepSpeed: the questions that several sections and rules ask."""

from ftspec.plan.model import Plan

TORCH_TYPES = {"bf16": "bfloat16", "fp16": "float16"}
"""Spellings of `torch_autocast.dtype` (deepspeed/runtime/config.py, `DtypeEnum`)."""


def uses_autocast(plan: Plan) -> bool:
    """Whether fp32 parameters are cast to 16 bits for each product (`torch_autocast`)."""
    return plan.precision.parameters == "fp32" and plan.precision.compute in TORCH_TYPES


def shards_layers_itself(plan: Plan) -> bool:
    """Whether DeepSpeed cuts the layers over the tensor group (AutoTP).

    Under Megatron-DeepSpeed, and in a PipelineModule, the layers are parallel already and an mpu says so.
    """
    return plan.training.stack == "deepspeed" and plan.parallelism.tensor > 1 and plan.parallelism.pipeline == 1


def counted_batch(plan: Plan) -> int:
    """The `train_batch_size` that DeepSpeed derives where every process counts as data parallel, in samples."""
    training = plan.training
    return training.micro_batch_size * training.gradient_accumulation_steps * plan.hardware.world_size


def spreads_experts_itself(plan: Plan) -> bool:
    """Whether DeepSpeed replaces the experts by expert-parallel ones (AutoEP).

    It refuses an mpu with tensor parallelism (deepspeed/runtime/engine.py, `_configure_expert_parallel`).
    """
    layout = plan.parallelism
    return plan.training.stack == "deepspeed" and layout.expert > 1 and not (layout.tensor > 1 and layout.pipeline > 1)


def uses_ulysses(plan: Plan) -> bool:
    """Whether a sequence is shared out by DeepSpeed's sequence parallelism."""
    return plan.training.stack == "deepspeed" and plan.parallelism.context > 1


def on_cpu(plan: Plan) -> bool:
    """Whether the job computes on CPUs, where DeepSpeed's fused GPU optimizers do not exist."""
    return plan.hardware.accelerator.vendor == "cpu"


def uses_bf16_optimizer(plan: Plan) -> bool:
    """Whether the engine picks BF16_Optimizer (deepspeed/runtime/engine.py, `_do_optimizer_sanity_check`)."""
    precision, layout = plan.precision, plan.parallelism
    if precision.parameters != "bf16":
        return False
    if layout.zero_stage == 1:
        return precision.gradients == "fp32" and layout.offload_optimizer != "cpu"
    return layout.zero_stage == 0 and precision.gradients == "bf16" and layout.pipeline > 1
