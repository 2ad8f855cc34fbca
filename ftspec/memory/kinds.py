"""Which layers of a model are alike: they have the same weights and take part in training in the same way."""

from functools import cache
from typing import NamedTuple

from ftspec.catalog.shape import ModelShape
from ftspec.memory.step.method import inputs_require_gradients, layer_variant
from ftspec.memory.step.setting import Variant
from ftspec.memory.weights import Weight, layer_weights
from ftspec.plan.model import MethodPlan, Plan


class Kind(NamedTuple):
    """One kind of layer: how it takes part in the step, and the number of the first such layer."""

    variant: Variant
    layer: int


class Kinds(NamedTuple):
    """The kinds of a model's layers, and the kind of each layer (an index), from the first.

    `block`: where only so many layers of each chunk are recomputed; then every kind is there twice, and the second half
    are those of layers that are not.
    """

    each: tuple[Kind, ...]
    of_layer: tuple[int, ...]
    block: int | None = None


@cache
def _kinds(shape: ModelShape, method: MethodPlan, inputs_require_gradients: bool) -> Kinds:
    known: dict[tuple[Variant, tuple[Weight, ...]], int] = {}
    each: list[Kind] = []
    of_layer: list[int] = []
    for layer in range(shape.num_hidden_layers):
        variant = layer_variant(shape, method, layer, inputs_require_gradients)
        key = (variant, layer_weights(shape, layer))
        if key not in known:
            known[key] = len(each)
            each.append(Kind(variant, layer))
        of_layer.append(known[key])
    return Kinds(tuple(each), tuple(of_layer))


def kinds_of(plan: Plan) -> Kinds:
    """The kinds of a plan's layers."""
    kinds = _kinds(plan.model.shape, plan.training.method, inputs_require_gradients(plan))
    return _in_blocks(kinds, plan.training.checkpoint_every_layers) if recomputes_blocks(plan) else kinds


def recomputes_blocks(plan: Plan) -> bool:
    """Whether the first layers of each chunk are recomputed one by one and the others not at all
    (megatron/core/transformer/transformer_block.py, `_checkpointed_forward`: `recompute_method == "block"`).
    """
    full = plan.training.stack == "megatron" and plan.training.activation_checkpointing == "full"
    return full and plan.megatron.recompute_method == "block"


@cache
def _in_blocks(kinds: Kinds, layers: int) -> Kinds:
    whole = tuple(Kind(kind.variant._replace(recomputed=False), kind.layer) for kind in kinds.each)
    return Kinds(kinds.each + whole, kinds.of_layer, max(0, layers))
