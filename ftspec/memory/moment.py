"""A moment of a training step: what is allocated beyond the states, at a point where the total may be highest."""

from typing import NamedTuple


class Moment(NamedTuple):
    """Bytes at one moment. `gradients` is the part of the accumulated gradients that exists by then, and `whole` those
    of them that the running part has just made; `in_flight` says whether the activations of a pipeline's other
    micro-batches are alive beside these (1) or not (0).
    """

    phase: str
    activations: int = 0
    logits: int = 0
    temporary: int = 0
    communication_buffers: int = 0
    gradients: int = 0
    in_flight: int = 1
    whole: int = 0

    @property
    def total(self) -> int:
        """Bytes beyond parameters and optimizer states, without other micro-batches."""
        return self.activations + self.logits + self.temporary + self.communication_buffers + self.gradients

    @property
    def main_stream(self) -> int:
        """The same without gradients that have been reduced."""
        return self.total - self.gradients + self.whole
