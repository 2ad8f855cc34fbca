"""What a stack's buffers are at each moment of a step."""

from typing import NamedTuple

from ftspec.memory.numbers import weighted, when
from ftspec.memory.outline import Turn


class Buffers(NamedTuple):
    """Bytes: `always`; in a layer's forward; at the end of the forward pass and in the loss (`ends`), but for what is
    freed between them; while a layer runs backward (`layer`), that of the layer before it (`before`), that of the layer
    behind it (`behind`), and what each layer that has run leaves or frees, by kind (`above`); in the embedding's
    backward; in a reduction of all gradients after it; and what a pipeline stage has `passed` on, until the
    micro-batch's layers have run backward.
    """

    always: int = 0
    forward: int = 0
    ends: int = 0
    layer: int = 0
    before: int = 0
    behind: int = 0
    embedding: int = 0
    reduction: int = 0
    above: tuple[int, ...] = ()
    freed_before_loss: int = 0
    passed: int = 0

    def in_layer(self, turn: Turn) -> int:
        """While a layer runs backward: the next one is gathered ahead, the last one's gradients are still being
        reduced.
        """
        beside = when(turn.has_below, self.before) + when(turn.has_above, self.behind)
        return self.always + self.passed + self.layer + beside + self.left_by(turn)

    def left_by(self, turn: Turn) -> int:
        """What the layers above one have left."""
        return weighted(turn.above, self.above) if self.above else 0

    @property
    def of_neighbours(self) -> bool:
        """Whether a layer's neighbours have buffers at all."""
        return not (isinstance(self.before, int) and isinstance(self.behind, int) and self.before == self.behind == 0)
