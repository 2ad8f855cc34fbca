"""Activations: what the forward pass keeps for the backward pass."""

from ftspec.memory.step.activations import is_gpt2
from ftspec.memory.step.frame import Frame
from ftspec.memory.step.method import inputs_require_gradients

INDEX_BYTES = 8
"""Token ids, labels and positions are int64."""


def one_micro_batch(frame: Frame) -> int:
    """Bytes that all layers of the stage keep of one micro-batch."""
    return frame.kept_below[-1]


def others_in_flight(frame: Frame) -> int:
    """Bytes kept of the micro-batches in flight beside the one that runs."""
    chunks = max(1, frame.plan.parallelism.virtual_pipeline)
    return one_micro_batch(frame) * max(0, frame.chunks_in_flight - chunks) // chunks


def kept_below(frame: Frame, index: int, own: bool = False) -> int:
    """Bytes kept of the layers below layer `index` of the stage, when that layer runs backward; earlier layers of its
    group are recomputed already. Other micro-batches in flight keep everything. `own`: and the layer's kept input.
    """
    training = frame.plan.training
    total = others_in_flight(frame) + frame.kept_below[index]
    if training.activation_checkpointing != "full" or not own:
        return total
    every = max(1, training.checkpoint_every_layers)
    start = index - index % every
    total += sum(frame.layers[frame.variants[i]].kept for i in range(start, index))
    measured = frame.layers[frame.variants[index]]
    if index == start and not measured.keeps_first:
        total += measured.first
    return total


def kept_in_forward(frame: Frame) -> int:
    """Bytes kept when the forward pass of a micro-batch ends: of all micro-batches in flight, and of the head."""
    total = others_in_flight(frame) + one_micro_batch(frame) + constants(frame, backward=False)
    if frame.head is not None:
        total += frame.head.kept
        if frame.setting.autocast:
            total += frame.point.tokens * frame.setting.shape.hidden_size * frame.setting.residual
    return total + casts_in_forward(frame)


def casts_in_forward(frame: Frame) -> int:
    """Copies of weights that autocast remembers though checkpointing keeps none of them
    (ATen/autocast_mode.cpp, `cached_cast`; the cache is cleared when autocast is left).
    """
    if frame.plan.training.activation_checkpointing != "full":
        return 0
    return sum(frame.layers[variant].casts for variant in frame.variants)


def constants(frame: Frame, backward: bool) -> int:
    """Ids, cosines and sines, the attention mask, and the dropout mask of the embedding: one each for all layers.

    An embedding output that requires a gradient by itself is a leaf: with its gradient it outlives its step (seen in
    traces of transformers' `enable_input_require_grads`).
    """
    setting, point, training = frame.setting, frame.point, frame.plan.training
    shape = setting.shape
    total = INDEX_BYTES * (point.tokens + point.positions)
    if inputs_require_gradients(frame.plan):
        total += 2 * point.tokens * shape.hidden_size * setting.residual
    if not backward:
        total += INDEX_BYTES * point.tokens
    if shape.position == "rope":
        total += 2 * point.positions * shape.head_dim * setting.residual
    if is_gpt2(shape):
        total += point.tokens * shape.hidden_size * setting.residual
    if not backward or training.activation_checkpointing == "full":
        total += point.pairs * {"flash": 0, "sdpa": 1, "eager": setting.residual}[setting.attention]
    return total
