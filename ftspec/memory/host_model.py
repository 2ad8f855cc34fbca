"""What offloading puts into main memory, of a rank and of a node."""

from collections.abc import Mapping
from typing import Literal

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

    @property
    def verdict(self) -> Literal["fits", "does_not_fit"] | None:
        """Whether it fits; None where nothing is in main memory or nobody says how much there is."""
        if self.capacity_bytes is None or self.bytes_per_node == 0:
            return None
        return "fits" if self.bytes_per_node <= self.capacity_bytes else "does_not_fit"
