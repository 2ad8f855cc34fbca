"""What a memory estimate says: per pipeline stage the bytes of each term at the stage's peak."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from ftspec.core.record import record
from ftspec.memory.host_model import HostMemory

Verdict = Literal["fits", "borderline", "does_not_fit"]

TERMS = (
    "parameters",
    "gradients",
    "master_parameters",
    "optimizer_states",
    "activations",
    "logits",
    "temporary",
    "communication_buffers",
    "framework_overhead",
)
"""The terms of an estimate, in the order in which they are shown."""


class StageMemory(NamedTuple):
    """One pipeline stage's most loaded rank at its peak.

    Without `framework_overhead` the terms sum to `allocated_peak_bytes` (what
    `torch.cuda.max_memory_allocated` would say); with it to `peak_bytes`. `phase` is the part of the
    step that peaks.
    """

    pipeline_stage: int
    phase: str
    terms: Mapping[str, int]
    allocated_peak_bytes: int
    peak_bytes: int


@record
class MemoryEstimate:
    """The estimate of one job on one stack; the most loaded stage decides. `host`: a node's main memory."""

    verdict: Verdict
    capacity_bytes: int
    peak_bytes: int
    interval_bytes: tuple[int, int]
    stages: tuple[StageMemory, ...]
    host: HostMemory

    @property
    def fullest(self) -> StageMemory:
        """The stage with the highest peak."""
        return max(self.stages, key=lambda stage: stage.peak_bytes)
