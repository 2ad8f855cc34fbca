"""`memory`: what offloading puts into a node's main memory and onto its drives, as lines."""

from collections.abc import Iterator

from ftspec.memory.host_model import HostMemory
from ftspec.reports.amounts import gib, phrase


def host_verdict(host: HostMemory) -> str:
    """Beside the verdict of the GPUs: nothing where main memory holds what is offloaded, or its size is not known."""
    if host.verdict != "does_not_fit" or host.capacity_bytes is None:
        return ""
    amounts = f"{gib(host.bytes_per_node)} GiB of {gib(host.capacity_bytes)} GiB"
    return f"does not fit into each node's main memory: {amounts}; what follows is of the GPU alone"


def host_lines(host: HostMemory) -> Iterator[str]:
    """A line on the host's memory and one on the drives; none where nothing is offloaded."""
    if host.bytes_per_node:
        terms = ", ".join(f"{phrase(name)} {gib(count)}" for name, count in host.terms.items())
        of = f" of {gib(host.capacity_bytes)}" if host.capacity_bytes is not None else ""
        yield f"each node's main memory: {gib(host.bytes_per_node)}{of} GiB ({terms})"
    if host.nvme_bytes_per_node:
        yield f"each node's drives: {gib(host.nvme_bytes_per_node)} GiB are written"
