"""The plan's leaf fields by dotted path, so that backends can be held to mapping every one of them."""

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from ftspec.plan.model import Plan

BLOCKS = ("model", "hardware", "precision", "training", "parallelism", "storage", "zero", "megatron")
"""The plan's blocks, in the order in which people read them."""

_OPAQUE = {"shape", "accelerator", "network"}


def _paths(kind: type[Any], prefix: str) -> list[str]:
    hints = get_type_hints(kind)
    paths: list[str] = []
    for each in fields(kind):
        hint = hints[each.name]
        path = f"{prefix}.{each.name}" if prefix else each.name
        if is_dataclass(hint) and isinstance(hint, type) and each.name not in _OPAQUE:
            paths += _paths(hint, path)
        else:
            paths.append(path)
    return paths


@cache
def plan_paths() -> tuple[str, ...]:
    """Every leaf path of a plan: `name`, `model.id`, …, `training.optimizer.beta1`, …; catalog rows are leaves."""
    hints = get_type_hints(Plan)
    return ("name", *(path for block in BLOCKS for path in _paths(hints[block], block)))


def value_at(plan: Plan, path: str) -> Any:
    """The value of a leaf path. Raises AttributeError for a path that `plan_paths()` does not list."""
    value: Any = plan
    for name in path.split("."):
        value = getattr(value, name)
    return value
