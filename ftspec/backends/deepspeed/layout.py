"""Tensor, expert and sequence parallelism, the pipeline, and activation checkpointing."""

from ftspec.backends.deepspeed.facts import shards_layers_itself, spreads_experts_itself, uses_ulysses
from ftspec.backends.deepspeed.settings import Setting, constant, default_setting
from ftspec.plan.model import Plan

_RECOMPUTATION = "training.activation_checkpointing, training.checkpoint_every_layers"
_CHECKPOINTING = (
    "partition_activations",
    "cpu_checkpointing",
    "contiguous_memory_optimization",
    "synchronize_checkpoint_boundary",
    "profile",
)


def layout_settings(plan: Plan) -> list[Setting]:
    """What DeepSpeed itself divides; a pipeline and Megatron's layers are the training script's."""
    layout = plan.parallelism
    settings: list[Setting] = []
    if shards_layers_itself(plan):
        settings.append(Setting("tensor_parallel.autotp_size", layout.tensor, "parallelism.tensor"))
    if spreads_experts_itself(plan):
        settings += [
            constant("expert_parallel.enabled", True, "expert is above 1"),
            Setting("expert_parallel.autoep_size", layout.expert, "parallelism.expert"),
            Setting("expert_parallel.expert_tensor_parallel_size", layout.expert_tensor, "parallelism.expert_tensor"),
        ]
    if uses_ulysses(plan):
        settings += [
            Setting("sequence_parallel_size", layout.context, "parallelism.context"),
            Setting("data_parallel_size", layout.data, "parallelism.data"),
        ]
    return settings


def activation_settings(plan: Plan) -> list[Setting]:
    """Whole-layer recomputation: DeepSpeed's checkpointing API and the pipeline engine's interval.

    Outside a pipeline the training script calls the API (or the model's own checkpointing); selective
    recomputation is inside the model.
    """
    training = plan.training
    full = training.activation_checkpointing == "full"
    settings: list[Setting] = []
    if full:
        layers = max(stage.num_layers for stage in plan.stages)
        groups = -(-layers // training.checkpoint_every_layers)
        settings += [default_setting(f"activation_checkpointing.{name}") for name in _CHECKPOINTING]
        settings.append(
            Setting(
                "activation_checkpointing.number_checkpoints",
                groups,
                f"{_RECOMPUTATION}, model.shape, parallelism.pipeline",
            )
        )
    if plan.parallelism.pipeline > 1:
        settings.append(_interval(plan))
    return settings


def _interval(plan: Plan) -> Setting:
    """The layers in a group that the pipeline engine recomputes whole; 0 for none."""
    key, training = "pipeline.activation_checkpoint_interval", plan.training
    if training.activation_checkpointing == "full":
        return Setting(key, training.checkpoint_every_layers, _RECOMPUTATION)
    if training.activation_checkpointing == "none":
        return Setting(key, 0, "training.activation_checkpointing")
    return constant(key, 0, "the engine recomputes whole layers, or nothing")
