"""Which weights a method trains: all, those of the last layers, or those of adapters; and which it only holds."""

from collections import Counter
from collections.abc import Iterable
from functools import cache

from ftspec.catalog.shape import ModelShape
from ftspec.memory.kinds import Kind
from ftspec.memory.shard import (
    NOTHING,
    Cuts,
    Shard,
    Sizes,
    cut_tensors,
    cuts_of,
    ends_shard,
    layer_shard,
    padded_vocabulary,
)
from ftspec.memory.step.adapted import projections, wrapped
from ftspec.memory.step.method import adapter_of
from ftspec.memory.step.setting import Adapter
from ftspec.memory.weights import Cut, Weight, embedding_weights, head_weights
from ftspec.plan.model import MethodPlan, Plan


def adapter_weights(shape: ModelShape, adapter: Adapter, experts: bool) -> list[Weight]:
    """The adapters of one layer: A reads the input, B writes the output (Hu et al. 2021, section 4.1);
    tensor parallelism cuts the one that lies along the cut of its projection.
    """
    weights = []
    for name, (inputs, outputs) in projections(shape, experts).items():
        if name in adapter.targets:
            inner, rank = name in ("o_proj", "down_proj"), adapter.rank
            reads = Weight(f"{name}.lora_A", inputs * rank, "tensor" if inner else "whole", rank, cut_rows=False)
            weights += [reads, Weight(f"{name}.lora_B", rank * outputs, "whole" if inner else "tensor", outputs)]
    return [*weights, *_of_parameters(shape, adapter)] if experts else weights


def _of_parameters(shape: ModelShape, adapter: Adapter) -> list[Weight]:
    """Adapters of all experts lie in one A and one B (peft/tuners/lora/layer.py, `ParamWrapper.update_layer`)."""
    weights = []
    for name, parameter in wrapped(shape, adapter.targets).items():
        rank = adapter.rank * parameter.times * parameter.experts
        cut: Cut = "whole" if parameter.experts == 1 else "expert"
        weights.append(Weight(f"{name}.lora_A", parameter.inputs * rank, cut, rank))
        weights.append(Weight(f"{name}.lora_B", rank * parameter.outputs, cut, parameter.outputs))
    return weights


@cache
def _adapters(shape: ModelShape, adapter: Adapter, experts: bool, cuts: Cuts) -> Shard:
    return cut_tensors(adapter_weights(shape, adapter, experts), cuts)


@cache
def _trained_layer(shape: ModelShape, method: MethodPlan, kind: Kind, cuts: Cuts) -> Shard:
    adapter = adapter_of(shape, method)
    if adapter is not None:
        return _adapters(shape, adapter, kind.variant.experts, cuts)
    return layer_shard(shape, kind.layer, cuts) if kind.variant.trained else NOTHING


def trained_layer(plan: Plan, kind: Kind) -> Shard:
    """The tensors of a layer that the optimizer updates, on one rank."""
    return _trained_layer(plan.model.shape, plan.training.method, kind, cuts_of(plan.parallelism))


def frozen_layer(plan: Plan, kind: Kind) -> Shard:
    """The tensors of a layer that are held and not updated."""
    adapted = plan.training.method.kind in ("lora", "qlora")
    if kind.variant.trained and not adapted:
        return NOTHING
    return layer_shard(plan.model.shape, kind.layer, cuts_of(plan.parallelism))


@cache
def _trained_ends(shape: ModelShape, method: MethodPlan, stack: str, ends: tuple[bool, bool], cuts: Cuts) -> Shard:
    vocabulary, (embedding, head) = padded_vocabulary(shape, stack, cuts.tensor), ends
    table = embedding and method.embeddings
    weights: Iterable[Weight] = embedding_weights(shape, vocabulary) if table else ()
    if head and method.head:
        weights = (*weights, *head_weights(shape, vocabulary, copy_of_tied=not table))
    return cut_tensors(weights, cuts)


def trained_ends(plan: Plan, embedding: bool, head: bool) -> Shard:
    """The tensors of the embedding and the head that are updated."""
    method = plan.training.method
    if method.kind == "full":
        return ends_shard(plan, embedding, head)
    if method.kind != "partial":
        return NOTHING
    cuts = cuts_of(plan.parallelism)
    return _trained_ends(plan.model.shape, method, plan.training.stack, (embedding, head), cuts)


def frozen_ends(plan: Plan, embedding: bool, head: bool) -> Shard:
    """The tensors of the embedding and the head that are held and not updated."""
    if plan.training.method.kind == "full":
        return NOTHING
    return without(ends_shard(plan, embedding, head), trained_ends(plan, embedding, head))


@cache
def without(whole: Shard, some: Shard) -> Shard:
    """The tensors of a shard that are not some of it."""
    return Shard(_without(whole.dense, some.dense), _without(whole.expert, some.expert))


def _without(every: Sizes, some: Sizes) -> Sizes:
    left = Counter(dict(every))
    left.subtract(dict(some))
    return tuple(sorted((elements, count) for elements, count in left.items() if count > 0))
