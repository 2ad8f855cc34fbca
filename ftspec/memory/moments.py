"""The moments of a step at which a stage's memory may peak, in the order of the step: the forward pass ends with the
loss; the loss, the layers from last to first, and the embedding run backward; the optimizer steps.
"""

from collections.abc import Iterator

from ftspec.memory.activations import (
    INDEX_BYTES,
    below_in_forward,
    buffers_of_model,
    casts_in_forward,
    constants,
    kept_in_backward,
    kept_in_forward,
    kept_of_other_chunks,
)
from ftspec.memory.communication.stacks import buffers_of
from ftspec.memory.communication.torch_pipeline import TORCH_PIPELINES
from ftspec.memory.gather_moments import gather_moments
from ftspec.memory.gradients import gradients_of
from ftspec.memory.logits import held_logits, loss_forward_logits
from ftspec.memory.moment import Moment
from ftspec.memory.numbers import largest
from ftspec.memory.stage_step import Step
from ftspec.memory.states import States
from ftspec.memory.step.frame import Frame
from ftspec.memory.temporaries import optimizer_temporaries


def stage_moments(frame: Frame, states: States, keeps_gradients: bool) -> list[Moment]:
    """Every moment of the step that may be the stage's peak."""
    step = Step(frame, gradients_of(frame, states, keeps_gradients), buffers_of(frame), held_logits(frame))
    return [
        *_forward(step),
        *_loss_backward(step),
        *_layers_backward(step),
        *_embedding_backward(step),
        *(gather_moments(step) if frame.plan.training.stack == "fsdp2" else ()),
        *_reduction(step),
        Moment(
            "optimizer_step",
            buffers_of_model(frame),
            logits=step.logits,
            temporary=optimizer_temporaries(frame, states, step.gradients.left),
            communication_buffers=step.buffers.always,
            gradients=step.gradients.left,
            in_flight=0,
        ),
    ]


def _forward(step: Step) -> Iterator[Moment]:
    """The end of the forward pass, with everything that is kept and on the last stage the logits; and the last layer,
    where tensors come and go.
    """
    frame, before, last = step.frame, step.gradients.before, step.frame.outline.last
    buffers = step.buffers.always + step.buffers.passed + step.buffers.ends
    logits = loss_forward_logits(frame) if frame.head else 0
    yield Moment("forward", kept_in_forward(frame), logits, communication_buffers=buffers, gradients=before)
    if last is None:
        return
    layer = frame.layers[last.kind]
    activations = (
        below_in_forward(frame, last) + constants(frame, backward=False) + layer.first + casts_in_forward(frame)
    )
    buffers = step.buffers.always + step.buffers.passed + step.buffers.forward
    if layer.forward is not None:
        yield step.moment("forward", layer.forward, activations, buffers, before)


def _loss_backward(step: Step) -> Iterator[Moment]:
    frame = step.frame
    if frame.head is None or frame.head.backward is None:
        return
    activations = frame.one_micro_batch + constants(frame, backward=True)
    buffers = step.buffers.always + step.buffers.passed + step.buffers.ends - step.buffers.freed_before_loss
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
    third tensor. Of what all layers share, only ids and buffers are left.
    """
    frame = step.frame
    table = frame.embedding_gradient
    if not table:
        return
    hidden = frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.residual
    tied = frame.setting.shape.tie_word_embeddings and frame.section.head
    tables = 2 if step.gradients.build_up else 3
    temporary = largest(hidden + table, tables * table if tied else 0) + _undivided_table(step, table)
    made = step.gradients.all - (step.gradients.embedding if step.gradients.build_up and not tied else 0)
    buffers = step.buffers.always + step.buffers.embedding
    activations = frame.point.tokens * INDEX_BYTES + buffers_of_model(frame) + kept_of_other_chunks(frame)
    yield Moment("embedding_backward", activations, step.logits, temporary, buffers, made)


def _undivided_table(step: Step, table: int) -> int:
    """DTensor has no rule for the backward of an embedding whose rows are divided: it makes the gradient of all rows,
    then copies the rank's (torch/distributed/tensor/_ops/_embedding_ops.py, `embedding_dense_backward_strategy`).
    """
    setting = step.frame.setting
    return table * setting.tensor if setting.tensor > 1 and step.frame.plan.training.stack in TORCH_PIPELINES else 0


def _reduction(step: Step) -> Iterator[Moment]:
    """All gradients exist, and are reduced together."""
    if isinstance(step.buffers.reduction, int) and not step.buffers.reduction:
        return
    buffers = step.buffers.always + step.buffers.reduction
    yield Moment("gradient_reduction", 0, step.logits, 0, buffers, step.gradients.all, in_flight=0)
