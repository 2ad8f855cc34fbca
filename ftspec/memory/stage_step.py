"""One stage's step, as its moments are worked out."""

from typing import NamedTuple

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.gradients import Gradients
from ftspec.memory.moment import Moment
from ftspec.memory.step.frame import Frame
from ftspec.memory.step.tape import Bytes


class Step(NamedTuple):
    """What all moments of a stage share: its frame, its gradients, its buffers, and the logits that are held."""

    frame: Frame
    gradients: Gradients
    buffers: Buffers
    logits: int

    def moment(self, phase: str, alive: Bytes, activations: int, buffers: int, gradients: int) -> Moment:
        """A moment of a part's tape, on top of what is kept elsewhere."""
        return Moment(
            phase,
            activations + alive.activations,
            self.logits + alive.logits,
            alive.temporary,
            buffers,
            gradients + alive.gradients,
            whole=alive.gradients,
        )
