"""The `model` group: where the shape comes from, the shape, and its parameter count."""

from dataclasses import fields, is_dataclass
from typing import Any

from ftspec.backends.hydra.leaf import Group, Leaf, leaves
from ftspec.plan.model import Plan
from ftspec.spec.fields import spec_paths

_FOLLOWS = {
    "num_key_value_heads": ("model.num_attention_heads",),
    "head_dim": ("model.hidden_size", "model.num_attention_heads"),
    "layer_types": ("model.num_hidden_layers",),
    "moe.shared_intermediate_size": ("model.moe.num_shared_experts", "model.moe.moe_intermediate_size"),
}
"""Shape fields that another one may decide (ftspec/catalog/shape_fields.py, `shape_from_fields`)."""


def model_group(plan: Plan) -> Group:
    """The group of the plan's model.

    A catalog model is its id under `from`, and the shape follows from it. Another model's shape is stated, with
    its name under `id`: the tree must not depend on a config.json that lies beside the spec.
    """
    origin = plan.origins["model.id"].kind
    catalog = origin == "catalog"
    if catalog:
        group: dict[str, Any] = {"from": Leaf(plan.model.id, "model.id")}
    elif origin == "derived":
        group = {"id": Leaf(plan.model.id, "model.id", derived=True, text="${name}")}
    else:
        group = {"id": Leaf(plan.model.id, "model.id")}
    shape = _shape_fields(plan.model.shape)
    group |= _shape_leaves(plan, shape, ("model.from",) if catalog else ())
    counted = [path for path, leaf in leaves(group) if path not in ("from", "id") and not isinstance(leaf.value, list)]
    follows = tuple(f"model.{path}" for path in counted)
    return {**group, "parameters": Leaf(plan.model.parameters, "model.parameters", derived=True, follows=follows)}


def _shape_fields(shape: Any, prefix: str = "model") -> dict[str, Any]:
    """The fields of a shape or of a part of one, nested.

    Those of the spec are always written, the others where a model has something else than the plain decoder.
    """
    written: dict[str, Any] = {}
    for each in fields(shape):
        path = f"{prefix}.{each.name}"
        value = getattr(shape, each.name)
        if path not in spec_paths() and value == each.default:
            continue
        if is_dataclass(value):
            written[each.name] = _shape_fields(value, path)
        else:
            written[each.name] = list(value) if isinstance(value, tuple) else value
    return written


def _shape_leaves(plan: Plan, shape: dict[str, Any], source: tuple[str, ...], prefix: str = "") -> dict[str, Any]:
    group: dict[str, Any] = {}
    for name, value in shape.items():
        path = prefix + name
        if isinstance(value, dict):
            group[name] = _shape_leaves(plan, value, source, f"{path}.")
            continue
        given = plan.given(f"model.{path}")
        stated = not source and plan.origins["model.id"].kind == "given"
        follows = () if given else (*source, *_FOLLOWS.get(path, ()))
        if path == "head_dim" and "mla" in shape and shape["mla"] and not given:
            follows = (*source, "model.mla.qk_nope_head_dim", "model.mla.qk_rope_head_dim")
        group[name] = Leaf(value, "model.shape", derived=bool(follows), follows=follows, given=stated and bool(follows))
    return group
