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
    """The kinds of a model's layers, and the kind of each layer (an index), from the first."""

    each: tuple[Kind, ...]
    of_layer: tuple[int, ...]


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
    return _kinds(plan.model.shape, plan.training.method, inputs_require_gradients(plan))
