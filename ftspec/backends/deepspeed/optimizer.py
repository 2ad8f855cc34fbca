"""The optimizer and the learning-rate schedule (deepspeed/runtime/engine.py, `_configure_basic_optimizer`)."""

from ftspec.backends.deepspeed.facts import on_cpu
from ftspec.backends.deepspeed.settings import Setting, constant
from ftspec.plan.model import OptimizerPlan, Plan

_PATH = "training.optimizer"
_PARAMS = "optimizer.params"
_TYPES = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD", "adafactor": "Adafactor", "muon": "Muon", "lion": "Lion"}
_SCHEDULES = {"constant": "WarmupLR", "linear": "WarmupDecayLR", "cosine": "WarmupCosineLR"}
_SCHEDULE = "scheduler.params"
UNTESTED = frozenset({"sgd", "adafactor", "adamw_8bit"})
"""Optimizers that ZeRO runs only when told so (deepspeed/runtime/zero/utils.py, ZERO_SUPPORTED_OPTIMIZERS)."""


def optimizer_settings(plan: Plan) -> list[Setting]:
    """`optimizer`, with every parameter stated; nothing for adamw_8bit, which the training script passes."""
    optimizer = plan.training.optimizer
    settings: list[Setting] = []
    if optimizer.kind in _TYPES:
        settings += [
            Setting("optimizer.type", _TYPES[optimizer.kind], f"{_PATH}.kind"),
            Setting(f"{_PARAMS}.lr", optimizer.learning_rate, f"{_PATH}.learning_rate"),
            *_moments(optimizer),
            Setting(f"{_PARAMS}.weight_decay", optimizer.weight_decay, f"{_PATH}.weight_decay"),
            *_adam_kernel(plan),
            *_offloaded_states(plan),
        ]
    if optimizer.kind in UNTESTED and plan.parallelism.zero_stage > 0:
        settings.append(
            constant("zero_allow_untested_optimizer", True, f"ZeRO runs {optimizer.kind} only when told so")
        )
    return settings


def _moments(optimizer: OptimizerPlan) -> list[Setting]:
    betas = Setting(f"{_PARAMS}.betas", [optimizer.beta1, optimizer.beta2], f"{_PATH}.beta1, {_PATH}.beta2")
    epsilon = Setting(f"{_PARAMS}.eps", optimizer.epsilon, f"{_PATH}.epsilon")
    momentum = Setting(f"{_PARAMS}.momentum", optimizer.momentum, f"{_PATH}.momentum")
    settings = {
        "adamw": [betas, epsilon],
        "adam": [betas, epsilon],
        "sgd": [momentum],
        "lion": [betas],
        "muon": [momentum, betas, epsilon],
    }
    return settings.get(optimizer.kind, [])


def _adam_kernel(plan: Plan) -> list[Setting]:
    """DeepSpeed's fused Adam, or torch's: on a CPU, and where one kernel a parameter is asked for."""
    optimizer = plan.training.optimizer
    if optimizer.kind not in ("adamw", "adam", "muon"):
        return []
    mode = Setting(f"{_PARAMS}.adam_w_mode", optimizer.kind != "adam", f"{_PATH}.kind")
    if on_cpu(plan):
        return [mode, constant(f"{_PARAMS}.torch_adam", True, "on a CPU the optimizer is torch's")]
    settings = [mode, Setting(f"{_PARAMS}.torch_adam", not optimizer.fused, f"{_PATH}.fused")]
    return settings if optimizer.fused else [*settings, Setting(f"{_PARAMS}.foreach", False, f"{_PATH}.fused")]


def _offloaded_states(plan: Plan) -> list[Setting]:
    """On the host the moments' type is a parameter of DeepSpeed's CPU optimizers."""
    optimizer = plan.training.optimizer
    if plan.parallelism.offload_optimizer == "none" or optimizer.kind not in ("adamw", "adam", "lion"):
        return []
    wide = plan.precision.optimizer_states == "fp32"
    return [Setting(f"{_PARAMS}.fp32_optimizer_states", wide, "precision.optimizer_states")]


def scheduler_settings(plan: Plan) -> list[Setting]:
    """`scheduler`; nothing for a constant rate without warm-up (deepspeed/runtime/lr_schedules.py).

    WarmupDecayLR rises from and falls to `warmup_min_lr`, so a floor is also where the warm-up begins.
    Without warm-up a cosine schedule begins at the peak (`warmup_min_ratio` 1).
    """
    schedule, path = plan.training.scheduler, "training.scheduler"
    if schedule.kind == "constant" and schedule.warmup_steps == 0:
        return []
    settings = [Setting("scheduler.type", _SCHEDULES[schedule.kind], f"{path}.kind")]
    if schedule.kind != "constant":
        settings.append(Setting(f"{_SCHEDULE}.total_num_steps", schedule.total_steps, f"{path}.total_steps"))
    warmup = Setting(f"{_SCHEDULE}.warmup_num_steps", max(1, schedule.warmup_steps), f"{path}.warmup_steps")
    shape = constant(f"{_SCHEDULE}.warmup_type", "linear", "warm-up is linear")
    return [*settings, warmup, shape, *_rates(plan)]


def _rates(plan: Plan) -> list[Setting]:
    """Where the schedule begins, peaks and ends."""
    schedule, path = plan.training.scheduler, "training.scheduler"
    peak = plan.training.optimizer.learning_rate
    if schedule.kind == "cosine":
        start = 0.0 if schedule.warmup_steps else 1.0
        floor = schedule.minimum_learning_rate / peak
        return [
            Setting(f"{_SCHEDULE}.warmup_min_ratio", start, f"{path}.warmup_steps"),
            Setting(f"{_SCHEDULE}.cos_min_ratio", floor, f"{path}.minimum_learning_rate, {_PATH}.learning_rate"),
        ]
    return [
        Setting(f"{_SCHEDULE}.warmup_min_lr", schedule.minimum_learning_rate, f"{path}.minimum_learning_rate")
        if schedule.kind == "linear"
        else constant(f"{_SCHEDULE}.warmup_min_lr", 0.0, "warm-up begins at 0"),
        Setting(f"{_SCHEDULE}.warmup_max_lr", peak, f"{_PATH}.learning_rate"),
    ]
