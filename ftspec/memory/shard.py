"""What one rank holds of the weights, tensor by tensor, after tensor and expert parallelism."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from ftspec.catalog.shape import ModelShape
from ftspec.memory.weights import Weight, embedding_weights, head_weights, layer_weights
from ftspec.plan.model import ParallelismPlan, Plan

MEGATRON_VOCABULARY_MULTIPLE = 128
"""`--make-vocab-size-divisible-by`, default (megatron/training/arguments.py); times the tensor degree."""

MEGATRON_STACKS = frozenset({"megatron", "megatron_deepspeed"})

Sizes = tuple[tuple[int, int], ...]
"""Tensors by size: (elements, how many tensors have as many)."""


class Shard(NamedTuple):
    """The tensors of a rank: `dense` ones in the data-parallel group, `expert` ones in the experts' own group."""

    dense: Sizes
    expert: Sizes

    @property
    def elements(self) -> int:
        """All of the rank's elements."""
        return counted(self.dense) + counted(self.expert)

    @property
    def tensors(self) -> int:
        """How many tensors there are."""
        return sum(count for _, count in (*self.dense, *self.expert))


NOTHING = Shard((), ())


def counted(sizes: Sizes) -> int:
    """Elements of all tensors together."""
    return sum(elements * count for elements, count in sizes)


def sizes_of(elements: Iterable[int]) -> Sizes:
    """Tensors given one by one, by size."""
    return tuple(sorted(Counter(elements).items()))


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


def cut_tensors(weights: Iterable[Weight], cuts: Cuts) -> Shard:
    """The rank's part of each tensor; what does not divide evenly is rounded up (the fullest rank)."""
    expert_parts = cuts.expert * cuts.expert_tensor
    dense = [
        -(-weight.elements // cuts.tensor) if weight.cut == "tensor" else weight.elements
        for weight in weights
        if weight.cut != "expert"
    ]
    experts = [-(-weight.elements // expert_parts) for weight in weights if weight.cut == "expert"]
    return Shard(sizes_of(dense), sizes_of(experts))


@cache
def layer_shard(shape: ModelShape, layer: int, cuts: Cuts) -> Shard:
    """One layer on one rank."""
    return cut_tensors(layer_weights(shape, layer), cuts)


@cache
def ends_weights(shape: ModelShape, embedding: bool, head: bool, vocabulary: int) -> tuple[Weight, ...]:
    """Embedding, final norm and head where a stage has them; a stage with the head alone has its own tied table."""
    weights: tuple[Weight, ...] = embedding_weights(shape, vocabulary) if embedding else ()
    return (*weights, *head_weights(shape, vocabulary, copy_of_tied=not embedding)) if head else weights


@cache
def _ends_shard(shape: ModelShape, embedding: bool, head: bool, cuts: Cuts, vocabulary: int) -> Shard:
    return cut_tensors(ends_weights(shape, embedding, head, vocabulary), cuts)


def ends_shard(plan: Plan, embedding: bool, head: bool) -> Shard:
    """The ends of the model on the rank of a stage that has the embedding, the head, or both."""
    shape, cuts = plan.model.shape, cuts_of(plan.parallelism)
    return _ends_shard(shape, embedding, head, cuts, padded_vocabulary(shape, plan.training.stack, cuts.tensor))
