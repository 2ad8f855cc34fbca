"""Data types of the state, where they are left out: what each stack keeps by itself."""

from typing import Literal

from ftspec.catalog.hardware import Accelerator
from ftspec.plan.ledger import Ledger
from ftspec.plan.model import ComputeType, PrecisionPlan, Stack
from ftspec.spec.model import Precision

StoredType = Literal["fp32", "bf16", "fp16"]

_KEEPS_MASTER = frozenset({"deepspeed", "megatron", "megatron_deepspeed"})


def _stored(compute: ComputeType) -> StoredType:
    return "bf16" if compute == "fp8" else compute


def _default_gradients(stack: Stack, parameters: StoredType, zero_stage: int) -> tuple[StoredType, str]:
    """Sources: megatron/training/arguments.py sets accumulate_allreduce_grads_in_fp32 under bf16;
    deepspeed/runtime/engine.py `get_data_types` takes the model's type, and `_do_optimizer_sanity_check`
    refuses another one without ZeRO.
    """
    if parameters == "bf16" and (stack == "megatron" or (stack == "megatron_deepspeed" and zero_stage > 0)):
        return "fp32", "Megatron accumulates bf16 gradients in fp32"
    return parameters, "the parameters' type"


def resolve_precision(
    written: Precision, accelerator: Accelerator, stack: Stack, zero_stage: int, optimizer: str, ledger: Ledger
) -> PrecisionPlan:
    """Precision with nothing open."""
    default_compute: ComputeType = "bf16" if accelerator.supports_bf16 else "fp16"
    compute = ledger.take(
        "precision.compute", written.compute, default_compute, f"the best 16-bit type of {accelerator.id}"
    )
    parameters = ledger.take("precision.parameters", written.parameters, _stored(compute), "compute's type")
    mixed = parameters != "fp32" and stack in _KEEPS_MASTER
    master: Literal["fp32", "none"] = ledger.take(
        "precision.master_parameters",
        written.master_parameters,
        "fp32" if mixed else "none",
        f"{stack} keeps an fp32 copy of 16-bit parameters"
        if mixed
        else f"{stack} optimizes the parameters as they are held",
    )
    gradients = ledger.take(
        "precision.gradients", written.gradients, *_default_gradients(stack, parameters, zero_stage)
    )
    states: Literal["fp32", "bf16", "fp16", "int8"] = "fp32" if master == "fp32" else parameters
    reason = "the type of the parameters that the optimizer holds"
    if optimizer == "adamw_8bit":
        states, reason = "int8", "adamw_8bit keeps its moments in 8 bits"
    elif optimizer == "lion" and stack == "ddp":
        states, reason = "fp32", "bitsandbytes keeps lion's moment in fp32"
    optimizer_states = ledger.take("precision.optimizer_states", written.optimizer_states, states, reason)
    return PrecisionPlan(compute, parameters, master, gradients, optimizer_states)
