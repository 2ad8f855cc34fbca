"""What offloading puts into main memory, of a rank and of a node."""

from collections.abc import Mapping

from ftspec.core.record import record


@record
class HostRank:
    """Bytes of one rank: in main memory by term, and on an NVMe drive."""

    terms: Mapping[str, int]
    nvme: int

    @property
    def total(self) -> int:
        """All of it in main memory."""
        return sum(self.terms.values())


@record
class HostMemory:
    """Bytes a node: of each term, all of them, and on NVMe drives; and the memory of a node, None where not stated."""

    terms: Mapping[str, int]
    bytes_per_node: int
    nvme_bytes_per_node: int
    capacity_bytes: int | None
