"""What one rank of one pipeline stage holds of the weights, tensor by tensor, after tensor and expert parallelism."""

from functools import cache
from typing import NamedTuple

from ftspec.catalog.shape import ModelShape
from ftspec.memory.weights import Weight, embedding_weights, head_weights, layer_weights
from ftspec.plan.model import ParallelismPlan, Plan
from ftspec.plan.stages import Stage

MEGATRON_VOCABULARY_MULTIPLE = 128
"""`--make-vocab-size-divisible-by`, default (megatron/training/arguments.py); times the tensor degree."""

MEGATRON_STACKS = frozenset({"megatron", "megatron_deepspeed"})


class Shard(NamedTuple):
    """Elements of each tensor on a rank: `dense` in the data-parallel group, `expert` in the expert's own group."""

    dense: tuple[int, ...]
    expert: tuple[int, ...]

    @property
    def elements(self) -> int:
        """All of the rank's elements."""
        return sum(self.dense) + sum(self.expert)


class Cuts(NamedTuple):
    """The degrees that divide weights."""

    tensor: int
    expert: int
    expert_tensor: int


def cuts_of(parallelism: ParallelismPlan) -> Cuts:
    """The degrees of a layout that divide weights; none is below 1."""
    return Cuts(max(1, parallelism.tensor), max(1, parallelism.expert), max(1, parallelism.expert_tensor))


def padded_vocabulary(shape: ModelShape, stack: str, tensor: int) -> int:
    """The vocabulary as the stack holds it (megatron/training/global_vars.py, `_vocab_size_with_padding`)."""
    multiple = MEGATRON_VOCABULARY_MULTIPLE * tensor if stack in MEGATRON_STACKS else tensor
    return -(-shape.vocab_size // multiple) * multiple


def cut_tensors(weights: tuple[Weight, ...], cuts: Cuts) -> Shard:
    """The rank's part of each tensor; what does not divide evenly is rounded up (the fullest rank)."""
    expert_parts = cuts.expert * cuts.expert_tensor
    dense = tuple(
        -(-weight.elements // cuts.tensor) if weight.cut == "tensor" else weight.elements
        for weight in weights
        if weight.cut != "expert"
    )
    return Shard(dense, tuple(-(-weight.elements // expert_parts) for weight in weights if weight.cut == "expert"))


@cache
def layer_shard(shape: ModelShape, layer: int, cuts: Cuts) -> Shard:
    """One layer on one rank."""
    return cut_tensors(layer_weights(shape, layer), cuts)


@cache
def _ends_shard(shape: ModelShape, ends: tuple[bool, bool], cuts: Cuts, vocabulary: int) -> Shard:
    weights: tuple[Weight, ...] = ()
    embedding, head = ends
    if embedding:
        weights += embedding_weights(shape, vocabulary)
    if head:
        weights += head_weights(shape, vocabulary, copy_of_tied=not embedding)
    return cut_tensors(weights, cuts)


@cache
def _stage_shard(shape: ModelShape, stage: Stage, cuts: Cuts, vocabulary: int) -> Shard:
    parts = [layer_shard(shape, layer, cuts) for chunk in stage.chunks for layer in chunk]
    parts.append(_ends_shard(shape, (stage.embedding, stage.head), cuts, vocabulary))
    dense = tuple(elements for part in parts for elements in part.dense)
    return Shard(dense, tuple(elements for part in parts for elements in part.expert))


def ends_shard(plan: Plan, stage: Stage) -> Shard:
    """Embedding, final norm and head where the stage has them."""
    shape, cuts = plan.model.shape, cuts_of(plan.parallelism)
    vocabulary = padded_vocabulary(shape, plan.training.stack, cuts.tensor)
    return _ends_shard(shape, (stage.embedding, stage.head), cuts, vocabulary)


def stage_shard(plan: Plan, stage: Stage) -> Shard:
    """The stage's tensors on its fullest rank; under pipeline parallelism both ends hold a tied embedding."""
    shape, cuts = plan.model.shape, cuts_of(plan.parallelism)
    return _stage_shard(shape, stage, cuts, padded_vocabulary(shape, plan.training.stack, cuts.tensor))
