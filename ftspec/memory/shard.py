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


class Tensor(NamedTuple):
    """One tensor of a rank: its first dimension, and how many elements lie in each of its rows."""

    rows: int
    columns: int

    @property
    def elements(self) -> int:
        """All elements."""
        return self.rows * self.columns


Sizes = tuple[tuple[Tensor, int], ...]
"""Tensors by size, and how many of each there are."""


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
    return sum(tensor.elements * count for tensor, count in sizes)


class Cuts(NamedTuple):
    """The degrees that divide weights."""

    tensor: int
    expert: int
    expert_tensor: int


def cuts_of(parallelism: ParallelismPlan) -> Cuts:
    """The degrees of a layout that divide weights; none is below 1."""
    return Cuts(max(1, parallelism.tensor), max(1, parallelism.expert), max(1, parallelism.expert_tensor))


def padded_vocabulary(shape: ModelShape, stack: str, tensor: int) -> int:
    """The vocabulary as the stack holds it (megatron/training/vocab_utils.py,
    `calculate_padded_vocab_size`)."""
    multiple = MEGATRON_VOCABULARY_MULTIPLE * tensor if stack in MEGATRON_STACKS else tensor
    return -(-shape.vocab_size // multiple) * multiple


def _cut(weight: Weight, cuts: Cuts) -> Tensor:
    rows = weight.rows or weight.elements
    columns = weight.elements // rows
    if weight.cut == "whole":
        return Tensor(rows, columns)
    if weight.cut == "expert":
        return Tensor(-(-rows // cuts.expert), -(-columns // cuts.expert_tensor))
    return Tensor(-(-rows // cuts.tensor), columns) if weight.cut_rows else Tensor(rows, -(-columns // cuts.tensor))


def cut_tensors(weights: Iterable[Weight], cuts: Cuts) -> Shard:
    """The rank's part of each tensor; what does not divide evenly is rounded up (the fullest rank)."""
    dense: Counter[Tensor] = Counter()
    experts: Counter[Tensor] = Counter()
    for weight in weights:
        (experts if weight.cut == "expert" else dense)[_cut(weight, cuts)] += 1
    return Shard(tuple(sorted(dense.items())), tuple(sorted(experts.items())))


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
