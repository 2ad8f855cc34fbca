"""Batch, recomputation, kernels, optimizer and schedule as Megatron's arguments."""

from ftspec.backends.megatron.argument import Argument
from ftspec.plan.model import OptimizerPlan, Plan

_KERNELS = {"flash": "flash", "sdpa": "auto", "eager": "unfused"}
"""torch's SDPA chooses among the kernels that a GPU has, as Megatron's `auto` does."""
_OPTIMIZERS = {"adamw": "adam", "adam": "adam", "sgd": "sgd", "muon": "muon", "lion": "lion"}
"""Megatron's adam decouples the weight decay: it is AdamW (megatron/core/optimizer/optimizer_config.py)."""


def training_arguments(plan: Plan) -> list[Argument]:
    """Everything that a step computes, and how many there are."""
    training = plan.training
    return [
        Argument("micro-batch-size", training.micro_batch_size, "training.micro_batch_size"),
        Argument("global-batch-size", training.global_batch_size, "training.global_batch_size"),
        Argument("seq-length", training.sequence_length, "training.sequence_length"),
        *_recompute_arguments(plan),
        Argument("attention-backend", _KERNELS[training.attention], "training.attention"),
        *_loss_arguments(plan),
        Argument("attention-dropout", 0.0, "constant: these models are trained without dropout"),
        Argument("hidden-dropout", 0.0, "constant: these models are trained without dropout"),
        *_optimizer_arguments(training.optimizer),
        Argument("clip-grad", training.gradient_clipping, "training.gradient_clipping"),
        *_schedule_arguments(plan),
        Argument("seed", training.seed, "training.seed"),
    ]


def _recompute_arguments(plan: Plan) -> list[Argument]:
    training = plan.training
    if training.activation_checkpointing == "none":
        return []
    granularity = Argument(
        "recompute-granularity", training.activation_checkpointing, "training.activation_checkpointing"
    )
    if training.activation_checkpointing == "selective":
        return [granularity]
    return [
        granularity,
        Argument("recompute-method", "uniform", "training.activation_checkpointing"),
        Argument("recompute-num-layers", training.checkpoint_every_layers, "training.checkpoint_every_layers"),
    ]


def _loss_arguments(plan: Plan) -> list[Argument]:
    """Transformer Engine's fused loss is refused by validate_args, so the native one it is."""
    if plan.training.loss != "fused":
        return []
    return [
        Argument("cross-entropy-loss-fusion", True, "training.loss"),
        Argument("cross-entropy-fusion-impl", "native", "training.loss"),
    ]


def _optimizer_arguments(optimizer: OptimizerPlan) -> list[Argument]:
    path = "training.optimizer"
    arguments = [
        Argument("optimizer", _OPTIMIZERS.get(optimizer.kind, "adam"), f"{path}.kind"),
        Argument("lr", optimizer.learning_rate, f"{path}.learning_rate"),
        Argument("weight-decay", optimizer.weight_decay, f"{path}.weight_decay"),
    ]
    if optimizer.kind == "sgd":
        return [*arguments, Argument("sgd-momentum", optimizer.momentum, f"{path}.momentum")]
    if optimizer.kind == "lion":
        return [*arguments, *_betas(optimizer, "lion")]
    if optimizer.kind == "muon":
        arguments.append(Argument("muon-momentum", optimizer.momentum, f"{path}.momentum"))
    return [*arguments, *_betas(optimizer, "adam"), Argument("adam-eps", optimizer.epsilon, f"{path}.epsilon")]


def _betas(optimizer: OptimizerPlan, family: str) -> list[Argument]:
    return [
        Argument(f"{family}-beta1", optimizer.beta1, "training.optimizer.beta1"),
        Argument(f"{family}-beta2", optimizer.beta2, "training.optimizer.beta2"),
    ]


def _schedule_arguments(plan: Plan) -> list[Argument]:
    schedule, steps = plan.training.scheduler, plan.training.steps
    path = "training.scheduler"
    arguments = [
        Argument("lr-decay-style", schedule.kind, f"{path}.kind"),
        Argument("lr-warmup-iters", schedule.warmup_steps, f"{path}.warmup_steps"),
        Argument("min-lr", schedule.minimum_learning_rate, f"{path}.minimum_learning_rate"),
    ]
    if schedule.total_steps is not None:
        arguments.append(Argument("lr-decay-iters", schedule.total_steps, f"{path}.total_steps"))
    if steps is not None:
        arguments.append(Argument("train-iters", steps, "training.steps"))
    return arguments
