"""The modules of a model's class by their paths, and which of them a name among an adapter's targets means."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from ftspec.catalog.shape import ModelShape
from ftspec.core.resources import json_beside
from ftspec.memory.step.adapted import projections, wrapped
from ftspec.memory.step.code import class_of, code_of, parameter_targets

_INDEX = re.compile(r"(?<![^.])\d+(?![^.])")
_QUERIES = frozenset({"q_proj", "q_a_proj", "q_b_proj"})
Modules = Mapping[str, str]
"""Paths of modules, with `#` for a layer's number, and what the memory model calls them; "" where it counts none."""


@cache
def class_modules() -> dict[str, Modules]:
    """The modules of each class, by model type, from adapter_modules.json."""
    rows: list[Any] = json_beside(__file__, "adapter_modules.json")["classes"]
    return {name: _modules(row) for row in rows for name in row["types"]}


def _modules(row: Any) -> Modules:
    found = {}
    for parent, names in row["modules"].items():
        for each in names:
            name, sign, other = each.partition("=")
            path = ".".join(filter(None, (row["layers"], parent, name)))
            found[path] = other if sign else name
    return found | dict.fromkeys(row["ends"], "")


def _own(shape: ModelShape) -> frozenset[str]:
    """The projections that a model has, in some of its layers."""
    return frozenset(projections(shape, False)) | frozenset(projections(shape, True))


@cache
def modules_of(shape: ModelShape) -> Modules:
    """The modules of a model: of its class, those that it has; a model whose queries are not compressed has other
    projections than one whose are.
    """
    own, every = _own(shape), class_modules().get(class_of(shape), {})
    absent = _QUERIES - own if shape.mla is not None else frozenset()
    return {path: name for path, name in every.items() if name not in absent}


def _names(target: str, path: str) -> bool:
    """Whether a target is a path or the end of one (peft/tuners/tuners_utils.py, `check_target_module_exists`)."""
    return path == target or path.endswith(f".{target}")


@cache
def parameter_named(shape: ModelShape, target: str) -> str:
    """The old name of a router or of routed experts that a target ends with, or "": PEFT puts adapters on the parameter
    that it stands for (peft/utils/transformers_weight_conversion.py, `_convert_peft_config_moe`).
    """
    if shape.moe is None:
        return ""
    names = parameter_targets().get(code_of(shape).parameter_targets, {})
    return next((name for name in names if _names(name, target)), "")


@cache
def matched(shape: ModelShape, target: str) -> tuple[str, ...]:
    """The paths that a target means; the old name alone where that stands for a parameter."""
    parameter = parameter_named(shape, target)
    if parameter:
        return (parameter,)
    plain = _INDEX.sub("#", target)
    return tuple(path for path in modules_of(shape) if _names(plain, path))


@cache
def projections_named(shape: ModelShape, target: str) -> frozenset[str]:
    """What the memory model calls what a target means; nothing where it counts no adapters, nor where the target is
    in one layer only.
    """
    parameter = parameter_named(shape, target)
    if parameter:
        return frozenset({parameter})
    if _INDEX.search(target):
        return frozenset()
    modules = modules_of(shape)
    return frozenset(modules[path] for path in matched(shape, target)) - {""}


@cache
def uncounted(shape: ModelShape, target: str) -> tuple[str, ...]:
    """The paths that a target means and beside which the memory model counts no adapters."""
    if parameter_named(shape, target):
        return () if wrapped(shape, projections_named(shape, target)) else matched(shape, target)
    if _INDEX.search(target):
        return matched(shape, target) and (target,)
    own, modules = _own(shape), modules_of(shape)
    return tuple(path for path in matched(shape, target) if modules[path] not in own)
