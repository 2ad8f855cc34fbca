"""The rotary positions of a config.json, in the style of transformers 5 (rope_parameters) and of before.

Follows `RotaryEmbeddingConfigMixin` (transformers, modeling_rope_utils.py) and the keys that single classes rename:
rotary_emb_base and rotary_pct (GPT-NeoX), rotary_dim (MiniMax-M2).
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ftspec.catalog.shape_parts import RopeScaling

_OLD_TYPES = {"su": "longrope", "mrope": "default"}
_WHOLE = ("original_max_position_embeddings", "truncate", "rope_type")


def rotary_values(config: Mapping[str, Any], defaults: Mapping[str, Any], head_dim: int) -> dict[str, Any]:
    """rope_theta, partial_rotary_factor and rope_scaling as a shape has them; nothing where they are not known.

    `defaults` are those of the config's class. Layers that differ (a description for each kind) give nothing.
    """
    parameters = config.get("rope_scaling") or config.get("rope_parameters") or defaults.get("rope_parameters") or {}
    if any(isinstance(each, Mapping) for each in parameters.values()):
        return {}
    bases = (parameters.get("rope_theta"), config.get("rope_theta"), config.get("rotary_emb_base"))
    theta = next((base for base in (*bases, defaults.get("rope_theta")) if base is not None), None)
    if theta is None:
        return {}
    return {
        "rope_theta": float(theta),
        "partial_rotary_factor": _share(parameters, config, defaults, head_dim),
        "rope_scaling": _scaling(parameters, config),
    }


def _share(
    parameters: Mapping[str, Any], config: Mapping[str, Any], defaults: Mapping[str, Any], head_dim: int
) -> float:
    width = config.get("rotary_dim")
    given = (parameters.get("partial_rotary_factor"), config.get("partial_rotary_factor"), config.get("rotary_pct"))
    shares = (*given, width / head_dim if width else None, defaults.get("partial_rotary_factor"))
    return float(next((share for share in shares if share is not None), 1))


def _scaling(parameters: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any] | None:
    given = str(parameters.get("rope_type") or parameters.get("type") or "default")
    kind = _OLD_TYPES.get(given, given)
    if kind == "default":
        return None
    outer = config.get("original_max_position_embeddings")
    found = {"original_max_position_embeddings": outer, **parameters, "rope_type": kind}
    values = {each.name: found.get(each.name) for each in fields(RopeScaling)}
    return {name: value if name in _WHOLE else float(value) for name, value in values.items() if value is not None}
