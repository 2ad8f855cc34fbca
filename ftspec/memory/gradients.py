"""Gradients of parameters: when they come into being, and what is left of them on a rank."""

from ftspec.core.record import record
from ftspec.memory.communication.fsdp2 import reduced_width
from ftspec.memory.holdings import replicas, tensorwise_part
from ftspec.memory.numbers import weighted
from ftspec.memory.outline import Turn
from ftspec.memory.states import States
from ftspec.memory.step.frame import Frame
from ftspec.memory.trained import trained_layer


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
        return self.before + self.head + weighted(turn.above, self.layers) if self.build_up else self.before


def gradients_of(frame: Frame, states: States, keeps_gradients: bool) -> Gradients:
    """How a stage's gradients come into being."""
    head = frame.head.gradient if frame.head else 0
    layers = tuple(layer.gradient for layer in frame.layers)
    tied = frame.setting.shape.tie_word_embeddings and frame.section.head
    embedding = 0 if tied else frame.embedding_gradient
    if not keeps_gradients:
        return Gradients(states.gradients, states.gradients, head, layers, embedding, build_up=False)
    if frame.plan.training.stack == "fsdp2":
        return _fsdp2(frame, states, head, embedding)
    if frame.plan.parallelism.zero_stage >= 2:
        return Gradients(states.gradients, states.gradients, head, layers, embedding, build_up=False)
    return Gradients(0, states.gradients, head, layers, embedding, build_up=True)


def _fsdp2(frame: Frame, states: States, head: int, embedding: int) -> Gradients:
    """FSDP2 leaves each layer's shard behind, or adds it to the one of earlier micro-batches; the root's gradients stay
    whole, in the type of the gathered weights, until its own backward is done
    (torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_reduce`).
    """
    degrees, width = replicas(frame.plan), reduced_width(frame)
    first = frame.plan.training.gradient_accumulation_steps <= 1
    kinds = [frame.kinds.each[kind] for kind in frame.outline.kinds]
    shards = tuple(
        first * tensorwise_part(trained_layer(frame.plan, kind), degrees, by_rows=True) * width for kind in kinds
    )
    before = (1 - first) * states.gradients
    everything = before + weighted(frame.outline.counts, shards) + head + embedding
    return Gradients(before, everything, head, shards, embedding, build_up=True)
