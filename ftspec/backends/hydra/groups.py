"""The config groups of a plan: every value under ftspec's name for it, and what it follows from.

What the user wrote is an input. What was left open is an input too where its default is a constant, and derived
where something else decides it. `follows` names the keys that the resolution of the plan reads for a value
(ftspec/plan/*.py); a test changes every input and compares.
"""

from collections.abc import Mapping
from typing import Any

from ftspec.backends.hydra.leaf import Group, Leaf
from ftspec.backends.hydra.model_group import model_group
from ftspec.plan.fields import value_at
from ftspec.plan.model import Plan

_LAYOUT = ("parallelism.tensor", "parallelism.pipeline", "parallelism.context")
_STEP = ("training.global_batch_size", "training.sequence_length")
_BATCH = {
    "micro_batch_size": ("training.global_batch_size", "training.gradient_accumulation_steps", "parallelism.data"),
    "global_batch_size": ("training.micro_batch_size", "training.gradient_accumulation_steps", "parallelism.data"),
    "gradient_accumulation_steps": ("training.global_batch_size", "training.micro_batch_size", "parallelism.data"),
}
_METHOD_SETTINGS = {
    "full": (),
    "lora": ("rank", "alpha", "dropout", "targets", "adapter_dtype"),
    "qlora": ("rank", "alpha", "dropout", "targets", "adapter_dtype", "quantization", "double_quantization"),
    "partial": ("last_layers", "embeddings", "head"),
}


def _kind(plan: Plan, path: str) -> str:
    return plan.origins[path].kind


def _leaf(plan: Plan, path: str, follows: tuple[str, ...] = (), text: str | None = None) -> Leaf:
    """The leaf of a plan path: an input if it was written or nothing decides it."""
    kind, value = _kind(plan, path), value_at(plan, path)
    if kind == "given" or (not follows and text is None):
        return Leaf(value, path, default=kind == "default")
    return Leaf(value, path, derived=True, follows=follows, text=text)


def _held(plan: Plan, path: str, follows: tuple[str, ...]) -> Leaf:
    """A value that the others decide, whoever wrote it: written, it must agree with them."""
    return Leaf(value_at(plan, path), path, derived=True, follows=follows, given=_kind(plan, path) == "given")


def _network(plan: Plan) -> Leaf | Group:
    network = plan.hardware.network
    if network is None or network.confidence != "given":
        return Leaf(network.id if network else None, "hardware.network", default=network is None)
    stated = {"kind": Leaf(network.kind, "hardware.network")} if network.kind != "custom" else {}
    return {**stated, "bandwidth": Leaf(network.port_bandwidth, "hardware.network")}


def _hardware(plan: Plan) -> Group:
    gpu = ("hardware.gpu",)
    nodes_follow = (
        ("hardware.gpus_per_node", *_LAYOUT, "parallelism.data") if _kind(plan, "hardware.nodes") == "derived" else ()
    )
    return {
        "gpu": Leaf(plan.hardware.gpu, "hardware.gpu"),
        "nodes": _leaf(plan, "hardware.nodes", nodes_follow),
        "gpus_per_node": _leaf(plan, "hardware.gpus_per_node", gpu),
        "world_size": _leaf(plan, "hardware.world_size", ("hardware.nodes", "hardware.gpus_per_node")),
        "gpu_memory": _leaf(plan, "hardware.gpu_memory_bytes", gpu),
        "usable_memory": _leaf(plan, "hardware.usable_memory_bytes", ("hardware.gpu", "hardware.gpu_memory")),
        "network": _network(plan),
        "host_memory": _leaf(plan, "hardware.host_memory_bytes"),
        "price_per_gpu_hour": _leaf(plan, "hardware.price_per_gpu_hour", gpu),
    }


def _precision(plan: Plan) -> Group:
    stored = ("precision.parameters", "training.stack")
    return {
        "compute": _leaf(plan, "precision.compute", ("hardware.gpu",)),
        "parameters": _leaf(plan, "precision.parameters", ("precision.compute",)),
        "master_parameters": _leaf(plan, "precision.master_parameters", stored),
        "gradients": _leaf(plan, "precision.gradients", (*stored, "parallelism.zero_stage")),
        "optimizer_states": _leaf(
            plan,
            "precision.optimizer_states",
            ("precision.master_parameters", "precision.parameters", "training.optimizer.kind"),
        ),
    }


def _parallelism(plan: Plan) -> Group:
    block = "parallelism"
    group: dict[str, Leaf | Group] = {
        name: _leaf(plan, f"{block}.{name}") for name in ("tensor", "pipeline", "virtual_pipeline")
    }
    data = f"{block}.data"
    if _kind(plan, "hardware.nodes") == "derived":
        group["data"] = _leaf(plan, data)
    else:
        group["data"] = _held(plan, data, ("hardware.world_size", *_LAYOUT))
    return {
        **group,
        "context": _leaf(plan, f"{block}.context"),
        "expert": _leaf(plan, f"{block}.expert"),
        "expert_tensor": _leaf(plan, f"{block}.expert_tensor", text="${parallelism.tensor}"),
        "zero_stage": _leaf(plan, f"{block}.zero_stage", ("training.stack",)),
        "sequence_parallel": _leaf(plan, f"{block}.sequence_parallel"),
        "distributed_optimizer": _leaf(
            plan, f"{block}.distributed_optimizer", (f"{block}.zero_stage", "training.stack")
        ),
        "offload": {
            "optimizer": _leaf(plan, f"{block}.offload_optimizer"),
            "parameters": _leaf(plan, f"{block}.offload_parameters"),
        },
        "schedule": _leaf(plan, f"{block}.schedule", (f"{block}.virtual_pipeline",)),
    }


def _method(plan: Plan) -> Group:
    method = plan.training.method
    path = "training.method"
    group: dict[str, Leaf] = {"kind": Leaf(method.kind, f"{path}.kind")}
    for name in _METHOD_SETTINGS[method.kind]:
        group[name] = _leaf(plan, f"{path}.{name}", (f"{path}.rank",) if name == "alpha" else ())
    if "targets" in group:
        words = (
            method.targets
            if len(method.targets) != 1 or method.targets[0] not in ("attention", "all_linear")
            else method.targets[0]
        )
        group["targets"] = group["targets"]._replace(value=words if isinstance(words, str) else list(words))
    return group


def _batch(plan: Plan) -> Group:
    """The batch triple: the global batch stays and the accumulation follows, unless the spec gave the latter."""
    kinds = {name: _kind(plan, f"training.{name}") for name in _BATCH}
    group = {name: _leaf(plan, f"training.{name}", _BATCH[name] if kinds[name] == "derived" else ()) for name in _BATCH}
    accumulation = "gradient_accumulation_steps"
    if kinds[accumulation] != "given":
        path = "training.global_batch_size"
        group["global_batch_size"] = Leaf(value_at(plan, path), path)
    if kinds[accumulation] != "given" or "derived" not in kinds.values():
        group[accumulation] = _held(plan, f"training.{accumulation}", _BATCH[accumulation])
    return group


def _length(plan: Plan) -> Group:
    """Tokens and steps: the one that was left open follows from the other; of two written ones, the steps."""
    steps = "training.steps"
    if _kind(plan, "training.tokens") == "derived" and _kind(plan, steps) == "given":
        return {"tokens": _leaf(plan, "training.tokens", (steps, *_STEP)), "steps": _leaf(plan, steps)}
    if plan.training.tokens is None:
        return {"tokens": Leaf(None, "training.tokens", derived=True, follows=(steps,)), "steps": _leaf(plan, steps)}
    return {"tokens": _leaf(plan, "training.tokens"), "steps": _held(plan, steps, ("training.tokens", *_STEP))}


def _optimizer(plan: Plan) -> Group:
    path = "training.optimizer"
    follows = (f"{path}.kind",)
    by_kind = {"weight_decay", "beta2", "momentum"}
    names = ("learning_rate", "weight_decay", "beta1", "beta2", "epsilon", "momentum", "fused", "paged")
    kind = Leaf(plan.training.optimizer.kind, f"{path}.kind")
    return {"kind": kind, **{name: _leaf(plan, f"{path}.{name}", follows if name in by_kind else ()) for name in names}}


def _scheduler(plan: Plan) -> Group:
    path = "training.scheduler"
    return {
        "kind": Leaf(plan.training.scheduler.kind, f"{path}.kind"),
        "warmup_steps": _leaf(plan, f"{path}.warmup_steps"),
        "total_steps": _leaf(plan, f"{path}.total_steps", text="${training.steps}"),
        "minimum_learning_rate": _leaf(plan, f"{path}.minimum_learning_rate"),
    }


def _training(plan: Plan) -> Group:
    block = "training"
    checkpointing = f"{block}.activation_checkpointing"
    return {
        "stack": Leaf(plan.training.stack, f"{block}.stack"),
        "method": _method(plan),
        "sequence_length": _leaf(plan, f"{block}.sequence_length", ("model.max_position_embeddings",)),
        **_batch(plan),
        "activation_checkpointing": {
            "kind": Leaf(plan.training.activation_checkpointing, checkpointing),
            "every": _leaf(plan, f"{block}.checkpoint_every_layers"),
        },
        "attention": _leaf(plan, f"{block}.attention", ("hardware.gpu",)),
        "loss": _leaf(plan, f"{block}.loss"),
        "optimizer": _optimizer(plan),
        "learning_rate_scheduler": _scheduler(plan),
        "gradient_clipping": _leaf(plan, f"{block}.gradient_clipping"),
        **_length(plan),
        "seed": _leaf(plan, f"{block}.seed"),
    }


def _storage(plan: Plan) -> Group:
    names = ("kind", "read_bandwidth", "write_bandwidth")
    group: dict[str, Any] = {name: _leaf(plan, f"storage.{name}") for name in names}
    return {**group, "checkpoint": {"every": _leaf(plan, "storage.checkpoint_every_seconds")}}


def plan_groups(plan: Plan) -> Mapping[str, Group]:
    """The groups of a plan by name, in the order of the defaults list; `storage` only where anything was said of it."""
    groups = {
        "model": model_group(plan),
        "hardware": _hardware(plan),
        "precision": _precision(plan),
        "parallelism": _parallelism(plan),
        "training": _training(plan),
    }
    storage = plan.storage
    stated = (storage.kind, storage.read_bandwidth, storage.write_bandwidth, storage.checkpoint_every_seconds)
    return groups if all(value is None for value in stated) else {**groups, "storage": _storage(plan)}
