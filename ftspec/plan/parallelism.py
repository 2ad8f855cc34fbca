"""The layout: degrees, sharding and schedule."""

from typing import Literal, cast

from ftspec.plan.ledger import Ledger
from ftspec.plan.model import ParallelismPlan, Stack
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


def resolve_parallelism(written: Parallelism, world_size: int, stack: Stack, ledger: Ledger) -> ParallelismPlan:
    """The layout with nothing open. Legality is the rules' business: an impossible layout comes back as written."""
    tensor = _degree(ledger, "tensor", written.tensor)
    pipeline = _degree(ledger, "pipeline", written.pipeline)
    context = _degree(ledger, "context", written.context)
    if written.data is None or isinstance(written.data, Auto):
        data = ledger.derive(
            "parallelism.data",
            max(1, world_size // (tensor * pipeline * context)),
            "world_size / (tensor × pipeline × context)",
        )
    else:
        data = ledger.take("parallelism.data", written.data, 1, "")
    stage_default, stage_reason = _default_zero_stage(stack)
    zero_stage = ledger.take("parallelism.zero_stage", written.zero_stage, stage_default, stage_reason)
    virtual = _degree(ledger, "virtual_pipeline", written.virtual_pipeline)
    offload = written.offload or Offload()
    return ParallelismPlan(
        tensor=tensor,
        pipeline=pipeline,
        virtual_pipeline=virtual,
        data=data,
        context=context,
        expert=_degree(ledger, "expert", written.expert),
        expert_tensor=ledger.take("parallelism.expert_tensor", written.expert_tensor, tensor, "tensor"),
        zero_stage=cast("Literal[0, 1, 2, 3]", zero_stage),  # by the field's limits
        sequence_parallel=ledger.take(
            "parallelism.sequence_parallel", written.sequence_parallel, False, "off unless asked for"
        ),
        distributed_optimizer=ledger.take(
            "parallelism.distributed_optimizer",
            written.distributed_optimizer,
            zero_stage == 1 and "megatron" in stack,
            "on with zero_stage 1 under Megatron",
        ),
        offload_optimizer=ledger.take(
            "parallelism.offload_optimizer",
            offload.optimizer,
            "none",
            "nothing is offloaded unless asked to",
            "parallelism.offload.optimizer",
        ),
        offload_parameters=ledger.take(
            "parallelism.offload_parameters",
            offload.parameters,
            "none",
            "nothing is offloaded unless asked to",
            "parallelism.offload.parameters",
        ),
        schedule=ledger.take(
            "parallelism.schedule",
            written.schedule,
            "interleaved" if virtual > 1 else "1f1b",
            "interleaved with virtual_pipeline, else 1f1b",
        ),
    )
