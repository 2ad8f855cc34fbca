"""Gradients of parameters: when they come into being, and what is left of them on a rank."""

from typing import NamedTuple

from ftspec.memory.deepspeed.engine import trained_of
from ftspec.memory.deepspeed.gradients import accumulated
from ftspec.memory.holdings import replicas, tensorwise_part
from ftspec.memory.numbers import choose, weighted, when
from ftspec.memory.outline import Turn
from ftspec.memory.states import States
from ftspec.memory.step.frame import Frame, reduced_width
from ftspec.memory.trained import trained_ends, trained_layer


class Gradients(NamedTuple):
    """Gradients on the rank: `before` the backward pass, `all` after it, and those of the head, of a layer of each of
    the stage's kinds, and of the embedding where they build up; what is `left` for the optimizer's step; and what the
    layers' backward reduces beside those before (`during`).
    """

    before: int
    all: int
    head: int
    layers: tuple[int, ...]
    embedding: int
    build_up: bool
    left: int
    during: int = 0

    def when_at(self, turn: Turn) -> int:
        """What exists when a layer begins to run backward."""
        reduced = self.before + self.during
        return reduced + self.head + weighted(turn.above, self.layers) if self.build_up else reduced


def gradients_of(frame: Frame, states: States, keeps_gradients: bool) -> Gradients:
    """How a stage's gradients come into being."""
    head = frame.head.gradient if frame.head else 0
    layers = tuple(layer.gradient for layer in frame.layers)
    tied = frame.setting.shape.tie_word_embeddings and frame.section.head
    embedding = 0 if tied else frame.embedding_gradient
    if frame.plan.training.stack == "deepspeed":
        found = accumulated(frame.plan, trained_of(frame), states.gradients, keeps_gradients)
        return Gradients(
            found.before, found.all, head, layers, embedding, found.build_up, found.left, found.during - found.before
        )
    if frame.plan.training.stack == "fsdp2":
        return _fsdp2(frame, states, head, embedding, keeps_gradients)
    if not keeps_gradients:
        return Gradients(states.gradients, states.gradients, head, layers, embedding, False, states.gradients)
    return Gradients(0, states.gradients, head, layers, embedding, True, states.gradients)


def _fsdp2(frame: Frame, states: States, head: int, embedding: int, keeps_gradients: bool) -> Gradients:
    """FSDP2 leaves each layer's shard behind, or adds it to the one of earlier micro-batches; the root's gradients stay
    whole, in the type of the gathered weights, until its own backward is done
    (torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_reduce`). In a pipeline all gradients stay
    whole until the last micro-batch, in the type of the reduction (torch/distributed/pipelining/stage.py,
    `backward_maybe_with_nosync`; _fsdp_param.py, `to_accumulated_grad_if_needed`).
    """
    plan, degrees, width = frame.plan, replicas(frame.plan), reduced_width(frame.plan)
    first, staged = plan.training.gradient_accumulation_steps <= 1, plan.parallelism.pipeline > 1
    trained = [trained_layer(plan, frame.kinds.each[kind]) for kind in frame.outline.kinds]
    parts = [tensorwise_part(shard, degrees, by_rows=True) * width for shard in trained]
    shards = tuple(when(first, choose(staged, 0, part)) for part in parts)
    ends = trained_ends(plan, frame.section.embedding, frame.section.head).elements
    whole = (weighted(frame.outline.counts, [shard.elements for shard in trained]) + ends) * width
    before = choose(staged, whole, (1 - first) * states.gradients)
    if not keeps_gradients:
        return Gradients(before, before, 0, shards, 0, False, states.gradients)
    everything = before + weighted(frame.outline.counts, shards) + head + embedding
    return Gradients(before, everything, head, shards, embedding, True, states.gradients)
