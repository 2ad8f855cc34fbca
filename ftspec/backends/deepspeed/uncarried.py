"""The written fields that the emitted file does not carry, each with who carries it instead."""

from typing import Any, NamedTuple

from ftspec.backends.deepspeed.carried import ELSEWHERE, MAPPED, MEGATRON, UNSUPPORTED, ZERO, spec_path
from ftspec.backends.deepspeed.emit import open_settings
from ftspec.backends.deepspeed.facts import on_cpu
from ftspec.backends.deepspeed.options import DeepSpeedOptions
from ftspec.plan.fields import value_at
from ftspec.plan.model import Plan

_DESCRIPTION = ("name", "model.", "hardware.", "training.stack", "storage.kind", "storage.read_", "storage.write_")
"""Beginnings of paths that describe the job and the cluster: nothing has to be set for them."""

_NAMED_BY_AUTOTP = "training.global_batch_size"
"""Left out of the file under AutoTP only, where a finding of its own says what DeepSpeed shows instead."""

_LENGTH = ("training.tokens", "training.steps")

_SAID_BY_ABSENCE: dict[str, Any] = {
    "training.method.kind": "full",
    "training.activation_checkpointing": "none",
    "training.loss": "standard",
    "training.scheduler.kind": "constant",
    "training.scheduler.warmup_steps": 0,
    "parallelism.tensor": 1,
    "parallelism.pipeline": 1,
    "parallelism.virtual_pipeline": 1,
    "parallelism.context": 1,
    "parallelism.expert": 1,
    "parallelism.expert_tensor": 1,
    "parallelism.sequence_parallel": False,
    "parallelism.distributed_optimizer": False,
    "parallelism.schedule": "1f1b",
    "parallelism.offload_optimizer": "none",
    "parallelism.offload_parameters": "none",
}
"""Values that a file without the key has: nobody else needs to carry them."""

_MEGATRON_ARGUMENTS = (
    "training.sequence_length",
    "training.activation_checkpointing",
    "training.attention",
    "training.tokens",
    "training.steps",
    "training.seed",
    "parallelism.",
)
"""Beginnings of paths that Megatron-DeepSpeed's own arguments carry, where DeepSpeed's file does not."""

_WHY_NOT_EMITTED = {
    "precision.compute": "the training script casts, for instance with Transformer Engine",
    "precision.master_parameters": "fp32 parameters are their own master copy",
    "precision.optimizer_states": "they have the type of the parameters that the optimizer holds",
    "training.activation_checkpointing": "the training script's model recomputes a part of each layer",
    "training.checkpoint_every_layers": "the training script's model recomputes a part of each layer",
    "training.scheduler.total_steps": "a constant rate has no end",
    "training.scheduler.minimum_learning_rate": "a constant rate has no minimum",
    "parallelism.data": "the launcher starts the processes",
    "parallelism.tensor": "the topology of the training script's PipelineModule",
    "parallelism.expert": "the MoE layers that the training script builds",
    "parallelism.expert_tensor": "the MoE layers that the training script builds",
    "parallelism.offload_optimizer": "without ZeRO nothing is offloaded",
    "parallelism.offload_parameters": "without ZeRO 3 no parameters are offloaded",
}
"""Mapped path → who carries it where the plan leaves its keys out of the file."""


class Uncarried(NamedTuple):
    """A written field, its value in the plan, and who carries it in place of the file."""

    field: str
    value: Any
    instead: str


def carried_paths(plan: Plan) -> set[str]:
    """The plan paths that the emitted file carries."""
    settings = open_settings(plan, DeepSpeedOptions())
    return {path for setting in settings for path in setting.origin.split(", ") if path in MAPPED}


def uncarried_fields(plan: Plan) -> list[Uncarried]:
    """The fields that the user wrote, that are settings of the run, and that the file does not carry."""
    carried = carried_paths(plan)
    fields: list[Uncarried] = []
    for path in (*MAPPED, *ELSEWHERE, *UNSUPPORTED):
        field = _written_field(plan, path)
        if field is None or path in carried or path == _NAMED_BY_AUTOTP or path.startswith(_DESCRIPTION):
            continue
        value = value_at(plan, path)
        if path in _SAID_BY_ABSENCE and _SAID_BY_ABSENCE[path] == value:
            continue
        if path in _LENGTH and "training.scheduler.total_steps" in carried:
            continue
        fields.append(Uncarried(field, value, _instead(plan, path)))
    return fields


def _written_field(plan: Plan, path: str) -> str | None:
    """The field of the language that a plan value was written in; None where it was not. Raw keys are in their own
    target's files.
    """
    if path.startswith((f"{ZERO}.", f"{MEGATRON}.")):
        return None
    if plan.origins[path].kind == "given":
        return spec_path(path)
    return "training.epochs" if path == "training.tokens" and plan.given("training.epochs") else None


def _instead(plan: Plan, path: str) -> str:
    if plan.training.stack == "megatron_deepspeed" and path.startswith(_MEGATRON_ARGUMENTS):
        return "Megatron-DeepSpeed's launch arguments"
    if path.startswith("training.optimizer."):
        kind = plan.training.optimizer.kind
        if on_cpu(plan) and path.endswith(".fused"):
            return "on a CPU the optimizer is torch's"
        if kind == "adamw_8bit":
            return "the optimizer that the training script passes"
        return f"DeepSpeed's {kind} has no such parameter here"
    return _WHY_NOT_EMITTED.get(path) or ELSEWHERE.get(path) or UNSUPPORTED[path]
