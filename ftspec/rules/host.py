"""Rules over what offloading puts into a node's main memory and onto its NVMe drives."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.memory.host import host_memory, offloads
from ftspec.memory.host_model import HostMemory
from ftspec.plan.model import Plan
from ftspec.rules.changes import changed
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, gibibytes

_FULL_8B = 'from = "meta-llama/Llama-3.1-8B"'
_TRAINING = "stack = deepspeed  activation_checkpointing = full"
_CPU = "zero_stage = 3  offload { optimizer = cpu }"
_NVME = "zero_stage = 3  offload { optimizer = nvme }"
_RAW = "raw { zero_optimization { offload_optimizer { pin_memory = false } } }"
_DRIVES = ("parallelism.offload.optimizer", "parallelism.offload.parameters")


@plan_rule(
    "FT403",
    Severity.ERROR,
    "what is offloaded does not fit into the host's memory",
    "Offloaded states live in the node's main memory, of all its ranks together: for Adam an fp32 copy, its gradients"
    " and two moments, 16 bytes a parameter, more where gradients wait there between micro-batches. torch pins memory"
    " in blocks of powers of two, so that a pinned buffer may take up to twice its size. NVMe offload needs main memory"
    " too: buffers of a whole sub-group each.",
    bad=job(
        model=_FULL_8B,
        hardware='gpu = "H100-SXM5-80GB"  host_memory = 64GB',
        training=_TRAINING,
        parallelism=_CPU,
    ),
    good=job(
        model=_FULL_8B,
        hardware='gpu = "H100-SXM5-80GB"  host_memory = 1TB',
        training=_TRAINING,
        parallelism=_CPU,
    ),
)
def offloaded_states_fit_the_host(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Offloaded bytes of a node against host_memory."""
    capacity = plan.hardware.host_memory_bytes
    if capacity is None or not offloads(plan):
        return
    host = host_memory(plan)
    if host.bytes_per_node > capacity:
        needed = gibibytes(host.bytes_per_node)
        yield rule.finding(
            f"each node needs {needed} of main memory for what is offloaded ({_in_a_line(host)}); host_memory is"
            f" {gibibytes(capacity)}",
            blamed(plan, "hardware.host_memory"),
            _ways_out(plan, capacity) or f"nodes with more than {needed} are needed",
        )


@plan_rule(
    "FT404",
    Severity.NOTE,
    "offload to NVMe needs room that nobody has checked",
    "The specification says nothing of the drives' size. The swapped states are written when the engine starts and stay"
    " for the whole run.",
    bad=job(model=_FULL_8B, training=_TRAINING, parallelism=_NVME),
    good=job(model=_FULL_8B, training=_TRAINING, parallelism=_CPU),
)
def nvme_needs_room(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Bytes that offload to NVMe writes on each node."""
    written = host_memory(plan).nvme_bytes_per_node if offloads(plan) else 0
    if written:
        yield rule.finding(
            f"offload to nvme writes {gibibytes(written)} on each node's drives",
            blamed(plan, *_DRIVES),
            "see to it that nvme_path has that much room",
        )


def _in_a_line(host: HostMemory) -> str:
    return " + ".join(f"{name.replace('_', ' ')} {gibibytes(count)}" for name, count in host.terms.items())


def _ways_out(plan: Plan, capacity: int) -> str:
    """What would fit, tried one by one."""
    found = [said for said, other in _otherwise(plan) if host_memory(other).bytes_per_node <= capacity]
    return "; or ".join(found)


def _otherwise(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Single changes, from what costs least, each with what to write."""
    layout, stack = plan.parallelism, plan.training.stack
    if stack == "deepspeed" and layout.offload_optimizer != "none":
        if plan.zero.optimizer_pin_memory:
            yield f"write target deepspeed {{ {_RAW} }}, slower", _with(plan, "zero", optimizer_pin_memory=False)
        if layout.offload_optimizer == "nvme" and plan.zero.sub_group_size > 10**8:
            said = "write target deepspeed { raw { zero_optimization { sub_group_size = 100000000 } } }"
            yield said, _with(plan, "zero", sub_group_size=10**8)
        if layout.offload_optimizer == "cpu" and layout.zero_stage == 3:
            yield "offload the optimizer to nvme", _with(plan, "parallelism", offload_optimizer="nvme")
    if layout.offload_parameters == "cpu" and stack != "fsdp2":
        yield "leave the parameters on the GPUs", _with(plan, "parallelism", offload_parameters="none")
    for factor in (2, 4, 8, 16):
        nodes = plan.hardware.nodes * factor
        more = changed(plan, {"hardware.nodes": nodes, "parallelism.data": layout.data * factor})
        capacity = plan.hardware.host_memory_bytes
        if capacity is not None and host_memory(more).bytes_per_node <= capacity:
            yield f"use {nodes} nodes", more
            return


def _with(plan: Plan, block: str, **values: Any) -> Plan:
    return replace(plan, **{block: replace(getattr(plan, block), **values)})
