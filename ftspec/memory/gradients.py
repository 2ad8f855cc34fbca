"""Gradients of parameters: when they come into being, and what is left of them on a rank."""

from ftspec.core.record import record
from ftspec.memory.holdings import replicas
from ftspec.memory.numbers import parts, weighted
from ftspec.memory.outline import Turn
from ftspec.memory.states import States
from ftspec.memory.step.frame import Frame
from ftspec.plan.model import DTYPE_BYTES


@record
class Gradients:
    """Gradients on the rank: `before` the backward pass, `all` after it, and those of the head, of a layer of each of
    the stage's kinds, and of the embedding where they build up.
    """

    before: int
    all: int
    head: int
    layers: tuple[int, ...]
    embedding: int
    build_up: bool

    def when_at(self, turn: Turn) -> int:
        """What exists when a layer begins to run backward."""
        return self.head + weighted(turn.above, self.layers) if self.build_up else self.before


def gradients_of(frame: Frame, states: States, keeps_gradients: bool) -> Gradients:
    """How a stage's gradients come into being.

    FSDP2 leaves each layer's shard behind; the root's gradients stay whole, in the type of the gathered weights, until
    its own backward is done.
    """
    head = frame.head.gradient if frame.head else 0
    layers = tuple(layer.gradient for layer in frame.layers)
    tied = frame.setting.shape.tie_word_embeddings and frame.section.head
    embedding = 0 if tied else frame.embedding_gradient
    if not keeps_gradients:
        return Gradients(states.gradients, states.gradients, head, layers, embedding, build_up=False)
    if frame.plan.training.stack == "fsdp2":
        share = replicas(frame.plan).dense * frame.setting.parameters
        reduced = DTYPE_BYTES[frame.plan.precision.gradients]
        shards = tuple(parts(layer * reduced, share) for layer in layers)
        everything = weighted(frame.outline.counts, shards) + head + embedding
        return Gradients(0, everything, head, shards, embedding, build_up=True)
    if frame.plan.parallelism.zero_stage >= 2:
        return Gradients(states.gradients, states.gradients, head, layers, embedding, build_up=False)
    return Gradients(0, states.gradients, head, layers, embedding, build_up=True)
