"""The moments at which FSDP2 gathers a layer's weights or reduces gradients: nothing is computed, but a group's weights
exist twice, or its gradients.
"""

from collections.abc import Iterator

from ftspec.memory.activations import below_in_forward, casts_in_forward, constants, kept_before_backward, kept_below
from ftspec.memory.communication.fsdp2 import Groups, groups_of, stays_gathered
from ftspec.memory.moment import Moment
from ftspec.memory.numbers import choose, when
from ftspec.memory.stage_step import Step


def gather_moments(step: Step) -> Iterator[Moment]:
    """The gathers and reductions of a step that may be the stage's peak."""
    groups = groups_of(step.frame)
    yield from _forward(step, groups)
    yield from _backward(step, groups)
    yield from _root_reduction(step, groups)


def _residual(step: Step) -> int:
    """Bytes of the residual stream, or of its gradient."""
    frame = step.frame
    return frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.residual


def _forward(step: Step, groups: Groups) -> Iterator[Moment]:
    """A layer is copied out of its gather buffer while the one of the group before it is still there: in the first
    layer the root's, in others a layer's (torch/distributed/fsdp/_fully_shard/_fsdp_param_group.py,
    `wait_for_unshard`: a local name holds the earlier result until the copy is made).
    """
    frame, before, last = step.frame, step.gradients.before, step.frame.outline.last
    if last is None:
        return
    activations = constants(frame, backward=False) + _residual(step)
    buffers = step.buffers.always + step.buffers.passed + 2 * groups.root + 2 * groups.layer
    yield Moment("forward", activations, step.logits, 0, buffers, before, in_flight=0)
    activations = activations + below_in_forward(frame, last) + casts_in_forward(frame)
    there = groups.layers if stays_gathered(frame) else groups.layer
    buffers = (
        step.buffers.always
        + step.buffers.passed
        + groups.root
        + there
        + groups.layer
        + when(last.has_below, groups.layer)
    )
    yield Moment("forward", activations, step.logits, 0, buffers, before)


def _backward(step: Step, groups: Groups) -> Iterator[Moment]:
    """Before a layer runs backward it is copied out of its gather buffer, while the layer above it is being reduced.
    The topmost layer's own reduction is higher than its backward, since no other one's is in flight. Where layers stay
    gathered none is copied.
    """
    frame, fixed, incoming = step.frame, constants(step.frame, backward=True), _residual(step)
    always, kept = step.buffers.always + step.buffers.passed + groups.root, stays_gathered(step.frame)
    for turn in frame.outline.turns:
        beside = when(turn.has_above, step.buffers.behind) + step.buffers.left_by(turn)
        buffers = always + (groups.layers if kept else 2 * groups.layer) + beside
        activations = fixed + kept_before_backward(frame, turn)
        made = step.gradients.when_at(turn)
        yield Moment("layer_backward", activations, step.logits, incoming, buffers, made)
    last = frame.outline.last
    if last is not None:
        below = groups.layers - groups.layer if kept else when(last.has_below, groups.layer)
        buffers = always + below + step.buffers.behind
        made = step.gradients.when_at(last) + frame.layers[last.kind].gradient
        yield Moment("layer_backward", fixed + kept_below(frame, last), step.logits, incoming, buffers, made)


def _root_reduction(step: Step, groups: Groups) -> Iterator[Moment]:
    """Embedding, norm and head are reduced last, all at once, when the root is sharded again
    (torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_reduce`): their gradients are copied into the
    reduction's input; when its output is made, a local name still holds the gradient of the last of them. In a pipeline
    they are reduced first, before the layers (torch/distributed/pipelining/stage.py, `perform_reduce_grad`).
    """
    staged = step.frame.plan.parallelism.pipeline > 1
    made = choose(staged, step.gradients.before, step.gradients.all)
    buffers = step.buffers.always + groups.root_reduced + when(staged, groups.layers)
    yield Moment("root_reduction", 0, step.logits, 0, buffers, made, in_flight=0)
    root = step.gradients.head + step.gradients.embedding
    left = made - when(step.frame.plan.parallelism.pipeline <= 1, root - _last_of_root(step))
    yield Moment("root_reduction", 0, step.logits, 0, buffers + groups.root_part, left, in_flight=0)


def _last_of_root(step: Step) -> int:
    """The gradient of the root's last tensor: of the head, of the final norm where the head is tied, or of the
    embedding where that alone is trained. (Each end of a pipeline has one large tensor.)
    """
    if not step.gradients.head:
        return step.frame.embedding_gradient
    return 0 if step.frame.setting.shape.tie_word_embeddings else step.gradients.head
