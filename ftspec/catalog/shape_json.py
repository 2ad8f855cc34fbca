"""A shape from the plain values that a data file or a config gives."""

from collections.abc import Mapping
from typing import Any

from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import (
    AttentionVariant,
    CompressedAttentionShape,
    HyperConnectionShape,
    IndexerShape,
    LinearAttentionShape,
    MambaShape,
    MlaShape,
    MoeShape,
    PerLayerInputShape,
    RopeScaling,
)

_PARTS: Mapping[str, type[Any]] = {
    "moe": MoeShape,
    "mla": MlaShape,
    "attention_variant": AttentionVariant,
    "linear_attention": LinearAttentionShape,
    "mamba": MambaShape,
    "indexer": IndexerShape,
    "compressed_attention": CompressedAttentionShape,
    "hyper_connections": HyperConnectionShape,
    "per_layer_input": PerLayerInputShape,
    "rope_scaling": RopeScaling,
}


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def shape_from_json(fields: Mapping[str, Any]) -> ModelShape:
    """The shape that the values state; what they leave out has the default of `ModelShape`.

    Raises TypeError for a field that no shape has: data files are checked against their schema first.
    """
    values = _tuples(fields)
    for name in values.keys() & _PARTS.keys():
        values[name] = _PARTS[name](**_tuples(values[name]))
    return ModelShape(**values)
