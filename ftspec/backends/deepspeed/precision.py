"""Batch, clipping and data types."""

from ftspec.backends.deepspeed.facts import TORCH_TYPES, shards_layers_itself, uses_autocast
from ftspec.backends.deepspeed.settings import Setting, constant, default_setting
from ftspec.plan.model import Plan

_HELD = "precision.compute, precision.parameters"
_LOSS_SCALING = (
    "loss_scale",
    "initial_scale_power",
    "loss_scale_window",
    "hysteresis",
    "consecutive_hysteresis",
    "min_loss_scale",
)


def batch_settings(plan: Plan) -> list[Setting]:
    """The batch triple and gradient clipping.

    Under AutoTP `train_batch_size` is left out: without an mpu DeepSpeed counts every process as data
    parallel (`DeepSpeedConfig.__init__`) and would refuse the true one; it derives it from the other two.
    """
    training = plan.training
    settings = [
        Setting("train_micro_batch_size_per_gpu", training.micro_batch_size, "training.micro_batch_size"),
        Setting(
            "gradient_accumulation_steps", training.gradient_accumulation_steps, "training.gradient_accumulation_steps"
        ),
        Setting("gradient_clipping", training.gradient_clipping, "training.gradient_clipping"),
    ]
    total = Setting("train_batch_size", training.global_batch_size, "training.global_batch_size")
    return settings if shards_layers_itself(plan) else [total, *settings]


def precision_settings(plan: Plan) -> list[Setting]:
    """The 16-bit blocks, both stated, and the types of gradients in accumulation and on the wire."""
    precision = plan.precision
    return [
        *_bf16(plan),
        *_fp16(plan),
        *_autocast(plan),
        Setting("data_types.grad_accum_dtype", precision.gradients, "precision.gradients"),
        constant(
            "communication_data_type",
            precision.parameters,
            "gradients travel in the parameters' type, as is DeepSpeed's default",
        ),
    ]


def _bf16(plan: Plan) -> list[Setting]:
    precision = plan.precision
    if precision.parameters != "bf16":
        return [Setting("bf16.enabled", False, _HELD)]
    pure = precision.master_parameters == "none"
    return [
        Setting("bf16.enabled", True, _HELD),
        default_setting("bf16.check_grad_overflow"),
        Setting("bf16.bf16_master_weights_and_grads", pure, "precision.master_parameters"),
        Setting(
            "bf16.bf16_optimizer_states",
            pure and precision.optimizer_states == "bf16",
            "precision.optimizer_states, precision.master_parameters",
        ),
    ]


def _fp16(plan: Plan) -> list[Setting]:
    precision = plan.precision
    if precision.parameters != "fp16":
        return [Setting("fp16.enabled", False, _HELD)]
    return [
        Setting("fp16.enabled", True, _HELD),
        *(default_setting(f"fp16.{name}") for name in _LOSS_SCALING),
        Setting(
            "fp16.fp16_master_weights_and_grads", precision.master_parameters == "none", "precision.master_parameters"
        ),
    ]


def _autocast(plan: Plan) -> list[Setting]:
    if not uses_autocast(plan):
        return []
    return [
        Setting("torch_autocast.enabled", True, "precision.parameters"),
        Setting("torch_autocast.dtype", TORCH_TYPES[plan.precision.compute], "precision.compute"),
    ]
