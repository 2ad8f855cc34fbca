"""What offloading puts into the main memory of a node, and onto its NVMe drives."""

from collections import Counter

from ftspec.memory.host_deepspeed import parameters_on_host, zero_3_optimizer, zero_optimizer
from ftspec.memory.host_model import HostMemory, HostRank
from ftspec.memory.host_stacks import fsdp2_on_host, megatron_optimizer
from ftspec.memory.kinds import kinds_of
from ftspec.memory.outline import sections
from ftspec.memory.step.frame import Frame, shared_by_stages
from ftspec.plan.model import Plan


def offloads(plan: Plan) -> bool:
    """Whether anything is moved off the GPUs."""
    return {plan.parallelism.offload_optimizer, plan.parallelism.offload_parameters} != {"none"}


def host_memory(plan: Plan) -> HostMemory:
    """The fullest node: ranks of one pipeline stage lie together (megatron/core/parallel_state.py, `RankGenerator`), so
    each of its ranks is taken to be of the fullest stage. Not counted: the processes themselves, data loaders, and
    pinned blocks that torch's host allocator keeps when they have been freed.
    """
    fullest = max(_ranks(plan), key=lambda rank: rank.total) if offloads(plan) else HostRank({}, 0)
    ranks = min(plan.hardware.gpus_per_node, plan.hardware.world_size)
    terms = {name: ranks * count for name, count in fullest.terms.items() if count}
    return HostMemory(terms, sum(terms.values()), ranks * fullest.nvme, plan.hardware.host_memory_bytes)


def _ranks(plan: Plan) -> list[HostRank]:
    """One rank of each kind of stage."""
    kinds = kinds_of(plan)
    shared = shared_by_stages(plan, kinds, builds_up=False)
    return [_rank(Frame(shared, section)) for section, _ in sections(kinds, plan.stages, 1)]


def _rank(frame: Frame) -> HostRank:
    stack, layout = frame.plan.training.stack, frame.plan.parallelism
    if stack == "fsdp2":
        return fsdp2_on_host(frame)
    if stack == "megatron":
        return megatron_optimizer(frame)
    found = []
    if layout.offload_optimizer != "none" and layout.zero_stage:
        found.append(zero_3_optimizer(frame) if layout.zero_stage == 3 else zero_optimizer(frame))
    if layout.offload_parameters != "none" and layout.zero_stage == 3:
        found.append(parameters_on_host(frame))
    terms: Counter[str] = Counter()
    for part in found:
        terms.update(part.terms)
    return HostRank(dict(terms), sum(part.nvme for part in found))
