"""Gradients of parameters: when they come into being, and what is left of them on a rank."""

from ftspec.core.record import record
from ftspec.memory.states import States, replicas
from ftspec.memory.step.frame import Frame, embedding_gradient, keeps_gradients
from ftspec.plan.model import DTYPE_BYTES


@record
class Gradients:
    """Gradients on the rank: `before` the backward pass, `all` after it, and those of the head, the layers (from the
    first) and the embedding where they build up.
    """

    before: int
    all: int
    head: int
    layers: tuple[int, ...]
    embedding: int

    def after(self, layers: int) -> int:
        """What exists when all but the first `layers` layers have run backward."""
        if self.before == self.all:
            return self.before
        return max(0, self.all - sum(self.layers[:layers]) - (self.embedding if layers else 0))


def gradients_of(frame: Frame, states: States) -> Gradients:
    """How a stage's gradients come into being.

    FSDP2 leaves each layer's shard behind; the root's gradients stay whole, in the type of the gathered weights, until
    its own backward is done.
    """
    head = frame.head.gradient if frame.head else 0
    layers = tuple(frame.layers[variant].gradient for variant in frame.variants)
    tied = frame.setting.shape.tie_word_embeddings and frame.stage.head
    embedding = 0 if tied else embedding_gradient(frame)
    if not keeps_gradients(frame.plan):
        return Gradients(states.gradients, states.gradients, head, layers, embedding)
    if frame.plan.training.stack == "fsdp2":
        share = replicas(frame.plan).dense * frame.setting.parameters
        reduced = DTYPE_BYTES[frame.plan.precision.gradients]
        shards = tuple(-(-layer * reduced // share) for layer in layers)
        return Gradients(0, sum(shards) + head + embedding, head, shards, embedding)
    if frame.plan.parallelism.zero_stage >= 2:
        return Gradients(states.gradients, states.gradients, head, layers, embedding)
    return Gradients(0, states.gradients, head, layers, embedding)
