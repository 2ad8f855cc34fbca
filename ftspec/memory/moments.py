"""The moments of a step at which a stage's memory may peak, in the order of the step: the forward pass ends with the
loss; the loss, the layers from last to first, and the embedding run backward; the optimizer steps.
"""

from collections.abc import Iterator

from ftspec.memory.activations import casts_in_forward, constants, kept_below, kept_in_forward
from ftspec.memory.gradients import Gradients, gradients_of
from ftspec.memory.logits import held_logits, loss_forward_logits
from ftspec.memory.moment import Moment
from ftspec.memory.states import States
from ftspec.memory.step.form import Point
from ftspec.memory.step.frame import Frame, embedding_gradient, frame_of
from ftspec.memory.step.tape import Alive
from ftspec.memory.temporaries import optimizer_temporaries
from ftspec.plan.model import Plan
from ftspec.plan.stages import Stage


def stage_moments(plan: Plan, stage: Stage, states: States) -> list[Moment]:
    """Every moment of the step that may be the stage's peak."""
    frame = frame_of(plan, stage)
    gradients = gradients_of(frame, states)
    return [
        *_forward(frame, gradients),
        *_loss_backward(frame, gradients),
        *_layers_backward(frame, gradients),
        *_embedding_backward(frame, gradients),
        Moment(
            "optimizer_step",
            logits=held_logits(frame),
            temporary=optimizer_temporaries(plan, states),
            gradients=gradients.all,
        ),
    ]


def _forward(frame: Frame, gradients: Gradients) -> Iterator[Moment]:
    """The end of the forward pass, with everything that is kept and on the last stage the logits; and the last layer,
    where tensors come and go.
    """
    logits = loss_forward_logits(frame) if frame.head else 0
    yield Moment("forward", kept_in_forward(frame), logits, gradients=gradients.before)
    if not frame.variants:
        return
    last = len(frame.variants) - 1
    measured = frame.layers[frame.variants[last]]
    activations = kept_below(frame, last) + constants(frame, backward=False) + measured.first + casts_in_forward(frame)
    for alive in measured.part.forward:
        yield _moment("forward", alive, frame.point, activations, held_logits(frame), gradients.before)


def _moment(phase: str, alive: Alive, point: Point, activations: int, logits: int, gradients: int) -> Moment:
    return Moment(
        phase,
        activations + alive.activations.at(point),
        logits + alive.logits.at(point),
        alive.temporary.at(point),
        gradients=gradients + alive.gradients.at(point),
    )


def _loss_backward(frame: Frame, gradients: Gradients) -> Iterator[Moment]:
    if frame.head is None:
        return
    activations, logits = kept_below(frame, len(frame.variants)) + constants(frame, backward=True), held_logits(frame)
    for alive in frame.head.part.moments:
        yield _moment("loss_backward", alive, frame.point, activations, logits, gradients.before)


def _layers_backward(frame: Frame, gradients: Gradients) -> Iterator[Moment]:
    """The backward of the layers where something changes: between two such, memory is linear in the layer."""
    fixed, logits = constants(frame, backward=True), held_logits(frame)
    for index in _turning_points(frame):
        activations = fixed + kept_below(frame, index, own=True)
        made = gradients.after(index + 1)
        measured = frame.layers[frame.variants[index]]
        for alive in measured.part.moments:
            yield _moment("layer_backward", alive, frame.point, activations, logits, made)
        if frame.plan.training.activation_checkpointing != "none":
            for alive in measured.part.recompute:
                yield _moment("layer_recompute", alive, frame.point, activations, logits, made)


def _turning_points(frame: Frame) -> list[int]:
    variants, last = frame.variants, len(frame.variants) - 1
    every = max(1, frame.plan.training.checkpoint_every_layers)
    ends = {0, last, min(last, every - 1), (last // every) * every} if variants else set()
    changes = {i for i in range(last) if variants[i] != variants[i + 1]}
    return sorted(i for i in ends | changes | {i + 1 for i in changes} if not variants[i].silent)


def _embedding_backward(frame: Frame, gradients: Gradients) -> Iterator[Moment]:
    """`embedding_dense_backward` makes a gradient of the whole table; a tied table adds the head's to it, in a third."""
    table = embedding_gradient(frame)
    if not table:
        return
    hidden = frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.residual
    tied = frame.setting.shape.tie_word_embeddings and frame.stage.head
    temporary = max(hidden + table, 2 * table if tied else 0)
    activations, made = constants(frame, backward=True), gradients.after(0) - (0 if tied else gradients.embedding)
    yield Moment("embedding_backward", activations, held_logits(frame), temporary, gradients=made)
