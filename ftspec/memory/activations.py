"""Activations: what the forward pass keeps for the backward pass."""

from typing import NamedTuple

from ftspec.memory.communication.pipeline import passed_on
from ftspec.memory.communication.torch_pipeline import TORCH_PIPELINES, another_micro_batch
from ftspec.memory.numbers import largest, weighted, when
from ftspec.memory.outline import Turn
from ftspec.memory.step.constants import embedding_leaf, masks, model_buffers, model_constants
from ftspec.memory.step.form import Form
from ftspec.memory.step.frame import Frame, chunks_in_flight, once_a_frame
from ftspec.memory.step.method import embedding_is_leaf, embedding_trained, inputs_require_gradients

INDEX_BYTES = 8
"""Token ids, labels and positions are int64."""


class Others(NamedTuple):
    """Bytes of the micro-batches in flight beside the one that runs: what they keep, and what they passed on."""

    activations: int
    passed: int

    @property
    def total(self) -> int:
        """Both."""
        return self.activations + self.passed


def others_in_flight(frame: Frame, pipeline_stage: int) -> Others:
    """The other micro-batches on one of the stages that are alike."""
    chunks = max(1, frame.plan.parallelism.virtual_pipeline)
    more = largest(chunks_in_flight(frame.plan, pipeline_stage) - chunks, 0)
    beside = another_micro_batch(frame) if frame.plan.training.stack in TORCH_PIPELINES else 0
    kept = (frame.one_micro_batch + beside) * more // chunks
    return Others(kept, passed_on(frame) * more // chunks)


def kept_below(frame: Frame, turn: Turn) -> int:
    """Bytes kept of the layers below a layer of the stage, of the running micro-batch."""
    return weighted(turn.stored, [layer.stored for layer in frame.layers])


def below_in_forward(frame: Frame, turn: Turn) -> int:
    """The same while the layer runs forward: with the embedding's output, which the model's own code still names
    though no layer may keep it (transformers/models/llama/modeling_llama.py, `LlamaModel.forward`: `inputs_embeds`).
    """
    total = kept_below(frame, turn)
    checkpointed = frame.plan.training.activation_checkpointing == "full"
    if not frame.section.embedding or checkpointed or frame.layers[0].keeps_first:
        return total
    return total + when(turn.has_below, frame.layers[0].first)


def kept_in_backward(frame: Frame, turn: Turn) -> int:
    """Bytes kept of the layers below when the layer runs backward: with its own input, and with earlier layers of its
    checkpointed group, which are recomputed already.
    """
    total = kept_below(frame, turn)
    if frame.plan.training.activation_checkpointing != "full":
        return total
    total = total + weighted(turn.again, [layer.kept for layer in frame.layers])
    layer = frame.layers[turn.kind]
    return total if layer.keeps_first else total + when(turn.starts_group, layer.first)


def kept_before_backward(frame: Frame, turn: Turn) -> int:
    """The same just before it runs backward: with all that is stored of it."""
    total, layer = kept_in_backward(frame, turn), frame.layers[turn.kind]
    if frame.plan.training.activation_checkpointing != "full":
        return total + layer.stored
    return total + turn.starts_group * layer.first if layer.keeps_first else total


def kept_of_other_chunks(frame: Frame) -> int:
    """Bytes that the stage's other chunks keep while one runs backward: in an interleaved pipeline each chunk goes on
    to another micro-batch (megatron/core/pipeline_parallel/schedules.py, `get_model_chunk_id`).
    """
    chunks = max(1, frame.plan.parallelism.virtual_pipeline)
    return when(frame.plan.parallelism.pipeline > 1, frame.one_micro_batch * (chunks - 1) // chunks)


def kept_in_forward(frame: Frame) -> int:
    """Bytes kept when the forward pass of a micro-batch ends: of its layers and of the head; and the head's input as
    the model names it, where that is another tensor: not cast yet, or a part of the sequence
    (transformers/models/llama/modeling_llama.py, `LlamaForCausalLM.forward`: `hidden_states`).
    """
    total = frame.one_micro_batch + constants(frame, backward=False)
    if frame.head is not None:
        total = total + frame.head.kept
        if frame.setting.autocast or (frame.setting.sequence_parallel and not frame.setting.megatron):
            total = total + frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.residual
    return total + casts_in_forward(frame)


def casts_in_forward(frame: Frame) -> int:
    """Copies of weights that autocast remembers though checkpointing keeps none of them
    (ATen/autocast_mode.cpp, `cached_cast`; the cache is cleared when autocast is left).
    """
    if frame.plan.training.activation_checkpointing != "full":
        return 0
    return weighted(frame.outline.counts, [layer.casts for layer in frame.layers])


def buffers_of_model(frame: Frame) -> int:
    """What the stage's part of the model holds as buffers."""
    return model_buffers(frame.setting, sum(frame.outline.counts))


@once_a_frame
def constants(frame: Frame, backward: bool) -> int:
    """Ids, cosines and sines, the attention mask, and the dropout mask of the embedding: one each for all layers
    (transformers' models/*/modeling_*.py).
    """
    setting, layers = frame.setting, sum(frame.outline.counts)
    differentiated = embedding_trained(frame.plan) or inputs_require_gradients(frame.plan)
    form = Form(token=INDEX_BYTES * (1 if backward else 2), position=INDEX_BYTES)
    form += model_constants(setting, layers, differentiated)
    if embedding_is_leaf(frame.plan):
        form += embedding_leaf(setting)
    if not backward or frame.plan.training.activation_checkpointing == "full":
        form += masks(setting)
    return form.at(frame.point)
