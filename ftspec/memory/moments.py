"""The moments of a step at which a stage's memory may peak, in the order of the step: the forward pass ends with the
loss; the loss, the layers from last to first, and the embedding run backward; the optimizer steps.
"""

from collections.abc import Iterator

from ftspec.core.record import record
from ftspec.memory.activations import casts_in_forward, constants, kept_below, kept_in_forward
from ftspec.memory.communication import Buffers, buffers_of
from ftspec.memory.gradients import Gradients, gradients_of
from ftspec.memory.logits import held_logits, loss_forward_logits
from ftspec.memory.moment import Moment
from ftspec.memory.states import States
from ftspec.memory.step.frame import Frame, embedding_gradient, frame_of
from ftspec.memory.step.tape import Bytes
from ftspec.memory.temporaries import optimizer_temporaries
from ftspec.plan.model import Plan
from ftspec.plan.stages import Stage


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


def stage_moments(plan: Plan, stage: Stage, states: States) -> list[Moment]:
    """Every moment of the step that may be the stage's peak."""
    frame = frame_of(plan, stage)
    step = Step(frame, gradients_of(frame, states), buffers_of(frame), held_logits(frame))
    return [
        *_forward(step),
        *_loss_backward(step),
        *_layers_backward(step),
        *_embedding_backward(step),
        *_root_reduction(step),
        Moment(
            "optimizer_step",
            logits=step.logits,
            temporary=optimizer_temporaries(plan, states),
            communication_buffers=step.buffers.always,
            gradients=states.gradients,
        ),
    ]


def _forward(step: Step) -> Iterator[Moment]:
    """The end of the forward pass, with everything that is kept and on the last stage the logits; and the last layer,
    where tensors come and go.
    """
    frame, before = step.frame, step.gradients.before
    buffers = step.buffers.always + step.buffers.ends
    logits = loss_forward_logits(frame) if frame.head else 0
    yield Moment("forward", kept_in_forward(frame), logits, communication_buffers=buffers, gradients=before)
    if not frame.variants:
        return
    last = len(frame.variants) - 1
    measured = frame.layers[frame.variants[last]]
    activations = kept_below(frame, last) + constants(frame, backward=False) + measured.first + casts_in_forward(frame)
    if measured.forward is not None:
        yield step.moment("forward", measured.forward, activations, buffers, before)


def _loss_backward(step: Step) -> Iterator[Moment]:
    frame = step.frame
    if frame.head is None or frame.head.backward is None:
        return
    activations = kept_below(frame, len(frame.variants)) + constants(frame, backward=True)
    buffers = step.buffers.always + step.buffers.ends
    yield step.moment("loss_backward", frame.head.backward, activations, buffers, step.gradients.before)


def _layers_backward(step: Step) -> Iterator[Moment]:
    """The backward of the layers where something changes: between two such, memory is linear in the layer."""
    frame, fixed = step.frame, constants(step.frame, backward=True)
    for index in _turning_points(frame):
        activations = fixed + kept_below(frame, index, own=True)
        made = step.gradients.after(index + 1)
        buffers = step.buffers.in_layer(index, len(frame.variants))
        measured = frame.layers[frame.variants[index]]
        if measured.backward is not None:
            yield step.moment("layer_backward", measured.backward, activations, buffers, made)
        if measured.recompute is not None and frame.plan.training.activation_checkpointing != "none":
            yield step.moment("layer_recompute", measured.recompute, activations, buffers, made)


def _turning_points(frame: Frame) -> list[int]:
    variants, last = frame.variants, len(frame.variants) - 1
    every = max(1, frame.plan.training.checkpoint_every_layers)
    ends = (
        {0, min(1, last), max(0, last - 1), last, min(last, every - 1), (last // every) * every} if variants else set()
    )
    changes = {i for i in range(last) if variants[i] != variants[i + 1]}
    return sorted(i for i in ends | changes | {i + 1 for i in changes} if not variants[i].silent)


def _embedding_backward(step: Step) -> Iterator[Moment]:
    """`embedding_dense_backward` makes a gradient of the whole table; a tied table's is added to the head's, in a
    third tensor.
    """
    frame = step.frame
    table = embedding_gradient(frame)
    if not table:
        return
    hidden = frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.residual
    tied = frame.setting.shape.tie_word_embeddings and frame.stage.head
    temporary = max(hidden + table, 2 * table if tied else 0)
    resident = step.gradients.before == step.gradients.all
    made = step.gradients.all - (0 if tied or resident else step.gradients.embedding)
    buffers = step.buffers.always + step.buffers.embedding
    yield Moment("embedding_backward", constants(frame, backward=True), step.logits, temporary, buffers, made)


def _root_reduction(step: Step) -> Iterator[Moment]:
    """FSDP2 reduces the gradients of embedding, norm and head last, all at once, when the root is sharded again
    (torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_reduce`): they are copied into the reduction's
    input; when its output is made, autograd still holds the embedding's, which came last.
    """
    if not step.buffers.root_reduce:
        return
    buffers, made = step.buffers.always + step.buffers.root_reduce, step.gradients.all
    yield Moment("root_reduction", 0, step.logits, 0, buffers, made)
    root = step.gradients.head + step.gradients.embedding
    left = made - root + embedding_gradient(step.frame)
    yield Moment("root_reduction", 0, step.logits, 0, buffers + step.buffers.root_shard, left)
