"""The layout: degrees, sharding and schedule."""

from typing import Literal, cast

from ftspec.plan.ledger import Ledger
from ftspec.plan.model import ParallelismPlan, Stack, StorageDevice
from ftspec.spec.kinds import Auto
from ftspec.spec.model import Offload, Parallelism

_NOT_PLANNED = "1, as nothing else was asked for"


def _degree(ledger: Ledger, name: str, written: int | Auto | None) -> int:
    return ledger.take(f"parallelism.{name}", written, 1, _NOT_PLANNED)


def _default_zero_stage(stack: Stack) -> tuple[int, str]:
    if stack == "fsdp2":
        return 3, "fsdp2 shards parameters, gradients and states"
    return 0, f"{stack} shards nothing unless asked to"


def needed_world_size(written: Parallelism) -> int | None:
    """The GPUs that a fully stated layout needs; None where `data` is open."""
    if written.data is None or isinstance(written.data, Auto):
        return None
    degrees = (written.tensor, written.pipeline, written.context)
    product = written.data
    for degree in degrees:
        product *= 1 if degree is None or isinstance(degree, Auto) else degree
    return product


def _data(written: int | Auto | None, world_size: int, others: int, ledger: Ledger) -> int:
    path = "parallelism.data"
    if isinstance(written, int):
        return ledger.take(path, written, 1, _NOT_PLANNED)
    return ledger.derive(path, max(1, world_size // others), "world_size / (tensor × pipeline × context)")


def _zero_stage(written: int | Auto | None, stack: Stack, ledger: Ledger) -> Literal[0, 1, 2, 3]:
    stage = ledger.take("parallelism.zero_stage", written, *_default_zero_stage(stack))
    return cast("Literal[0, 1, 2, 3]", stage)  # by the field's limits


def _offloaded(name: str, written: StorageDevice | None, ledger: Ledger) -> StorageDevice:
    why = "nothing is offloaded unless asked to"
    device: StorageDevice = "none"
    return ledger.take(f"parallelism.offload_{name}", written, device, why, f"parallelism.offload.{name}")


def resolve_parallelism(written: Parallelism, world_size: int, stack: Stack, ledger: Ledger) -> ParallelismPlan:
    """The layout with nothing open. Legality is the rules' business: an impossible layout comes back as written."""
    tensor = _degree(ledger, "tensor", written.tensor)
    pipeline = _degree(ledger, "pipeline", written.pipeline)
    context = _degree(ledger, "context", written.context)
    virtual = _degree(ledger, "virtual_pipeline", written.virtual_pipeline)
    zero_stage = _zero_stage(written.zero_stage, stack, ledger)
    sharded = zero_stage == 1 and "megatron" in stack
    schedule: Literal["1f1b", "interleaved"] = "interleaved" if virtual > 1 else "1f1b"
    offload = written.offload or Offload()
    path = "parallelism."
    return ParallelismPlan(
        tensor=tensor,
        pipeline=pipeline,
        virtual_pipeline=virtual,
        data=_data(written.data, world_size, tensor * pipeline * context, ledger),
        context=context,
        expert=_degree(ledger, "expert", written.expert),
        expert_tensor=ledger.take(f"{path}expert_tensor", written.expert_tensor, tensor, "tensor"),
        zero_stage=zero_stage,
        sequence_parallel=ledger.take(
            f"{path}sequence_parallel", written.sequence_parallel, False, "off unless asked for"
        ),
        distributed_optimizer=ledger.take(
            f"{path}distributed_optimizer",
            written.distributed_optimizer,
            sharded,
            "on with zero_stage 1 under Megatron",
        ),
        offload_optimizer=_offloaded("optimizer", offload.optimizer, ledger),
        offload_parameters=_offloaded("parameters", offload.parameters, ledger),
        schedule=ledger.take(
            f"{path}schedule", written.schedule, schedule, "interleaved with virtual_pipeline, else 1f1b"
        ),
    )
