"""What to change in a job that does not fit, from what costs least to what changes most."""

from ftspec.plan.model import Plan


def ways_out(plan: Plan) -> list[str]:
    """Up to five changes that save memory, each a thing to write."""
    return [*_recompute(plan), *_shard(plan), *_divide(plan), *_train_less(plan)][:5]


def _recompute(plan: Plan) -> list[str]:
    training, layout = plan.training, plan.parallelism
    ways = []
    if training.activation_checkpointing != "full":
        ways.append("activation_checkpointing = full")
    if layout.tensor > 1 and not layout.sequence_parallel and "megatron" in training.stack:
        ways.append("sequence_parallel = true")
    if training.micro_batch_size > 1:
        ways.append("micro_batch_size = 1 with more accumulation")
    return ways


def _shard(plan: Plan) -> list[str]:
    training, layout = plan.training, plan.parallelism
    if layout.data * layout.context == 1:
        return []
    if training.stack == "megatron":
        return [] if layout.distributed_optimizer else ["zero_stage = 1"]
    if "deepspeed" in training.stack:
        highest = 1 if layout.pipeline > 1 else 3
        return [f"zero_stage = {highest}"] if layout.zero_stage < highest else []
    return ["stack = fsdp2 or deepspeed with zero_stage = 3"] if training.stack == "ddp" else []


def _divide(plan: Plan) -> list[str]:
    layout, hardware = plan.parallelism, plan.hardware
    ways = []
    if (
        layout.tensor < hardware.gpus_per_node
        and hardware.gpus_per_node % (2 * layout.tensor) == 0
        and "megatron" in plan.training.stack
    ):
        ways.append(f"tensor = {2 * layout.tensor}")
    if "deepspeed" in plan.training.stack and layout.zero_stage >= 1 and layout.offload_optimizer == "none":
        ways.append("offload { optimizer = cpu }")
    ways.append("more GPUs")
    return ways


def _train_less(plan: Plan) -> list[str]:
    kind = plan.training.method.kind
    if kind in ("full", "partial"):
        return ["method = lora { rank = 16 }, which needs no states for the frozen weights"]
    return ["method = qlora, which holds the frozen weights in 4 bits"] if kind == "lora" else []
