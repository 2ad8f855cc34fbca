"""The moments of a step at which a stage's memory may peak, in the order of the step: the forward pass ends with the
loss; the loss, the layers from last to first, and the embedding run backward; the optimizer steps.
"""

from collections.abc import Iterator

from ftspec.core.record import record
from ftspec.memory.activations import casts_in_forward, constants, kept_below, kept_in_backward, kept_in_forward
from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.communication.stacks import buffers_of
from ftspec.memory.gradients import Gradients, gradients_of
from ftspec.memory.logits import held_logits, loss_forward_logits
from ftspec.memory.moment import Moment
from ftspec.memory.numbers import largest
from ftspec.memory.states import States
from ftspec.memory.step.frame import Frame
from ftspec.memory.step.tape import Bytes
from ftspec.memory.temporaries import optimizer_temporaries


@record
class Step:
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
        )


def stage_moments(frame: Frame, states: States, keeps_gradients: bool) -> list[Moment]:
    """Every moment of the step that may be the stage's peak."""
    step = Step(frame, gradients_of(frame, states, keeps_gradients), buffers_of(frame), held_logits(frame))
    return [
        *_forward(step),
        *_loss_backward(step),
        *_layers_backward(step),
        *_embedding_backward(step),
        *_root_reduction(step),
        Moment(
            "optimizer_step",
            logits=step.logits,
            temporary=optimizer_temporaries(frame.plan, states),
            communication_buffers=step.buffers.always,
            gradients=states.gradients,
            in_flight=0,
        ),
    ]


def _forward(step: Step) -> Iterator[Moment]:
    """The end of the forward pass, with everything that is kept and on the last stage the logits; and the last layer,
    where tensors come and go.
    """
    frame, before, last = step.frame, step.gradients.before, step.frame.outline.last
    buffers = step.buffers.always + step.buffers.ends
    logits = loss_forward_logits(frame) if frame.head else 0
    yield Moment("forward", kept_in_forward(frame), logits, communication_buffers=buffers, gradients=before)
    if last is None:
        return
    layer = frame.layers[last.kind]
    activations = kept_below(frame, last) + constants(frame, backward=False) + layer.first + casts_in_forward(frame)
    if layer.forward is not None:
        yield step.moment("forward", layer.forward, activations, buffers, before)


def _loss_backward(step: Step) -> Iterator[Moment]:
    frame = step.frame
    if frame.head is None or frame.head.backward is None:
        return
    activations = frame.one_micro_batch + constants(frame, backward=True)
    buffers = step.buffers.always + step.buffers.ends
    yield step.moment("loss_backward", frame.head.backward, activations, buffers, step.gradients.before)


def _layers_backward(step: Step) -> Iterator[Moment]:
    """The backward of the layers that the outline names: between two of them memory is linear in the layer."""
    frame, fixed = step.frame, constants(step.frame, backward=True)
    checkpointed = frame.plan.training.activation_checkpointing != "none"
    turns = frame.outline.turns
    if step.buffers.of_neighbours:
        turns += frame.outline.neighbours
    for turn in turns:
        activations = fixed + kept_in_backward(frame, turn)
        made, buffers = step.gradients.when_at(turn), step.buffers.in_layer(turn)
        layer = frame.layers[turn.kind]
        if layer.backward is not None:
            yield step.moment("layer_backward", layer.backward, activations, buffers, made)
        if layer.recompute is not None and checkpointed:
            yield step.moment("layer_recompute", layer.recompute, activations, buffers, made)


def _embedding_backward(step: Step) -> Iterator[Moment]:
    """`embedding_dense_backward` makes a gradient of the whole table; a tied table's is added to the head's, in a
    third tensor.
    """
    frame = step.frame
    table = frame.embedding_gradient
    if not table:
        return
    hidden = frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.residual
    tied = frame.setting.shape.tie_word_embeddings and frame.section.head
    temporary = largest(hidden + table, 2 * table if tied else 0)
    made = step.gradients.all - (step.gradients.embedding if step.gradients.build_up and not tied else 0)
    buffers = step.buffers.always + step.buffers.embedding
    yield Moment("embedding_backward", constants(frame, backward=True), step.logits, temporary, buffers, made)


def _root_reduction(step: Step) -> Iterator[Moment]:
    """FSDP2 reduces the gradients of embedding, norm and head last, all at once, when the root is sharded again
    (torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_reduce`): they are copied into the reduction's
    input; when its output is made, autograd still holds the embedding's, which came last.
    """
    if step.frame.plan.training.stack != "fsdp2":
        return
    buffers, made = step.buffers.always + step.buffers.root_reduce, step.gradients.all
    yield Moment("root_reduction", 0, step.logits, 0, buffers, made, in_flight=0)
    root = step.gradients.head + step.gradients.embedding
    left = made - root + step.frame.embedding_gradient
    yield Moment("root_reduction", 0, step.logits, 0, buffers + step.buffers.root_shard, left, in_flight=0)
