"""How schemas/hydra.schema.json is made: from the same annotations that the spec, the plan and the target have."""

import json
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ftspec.backends.hydra.options import HydraOptions, Local, Slurm, Torchrun
from ftspec.catalog.shape import ModelShape
from ftspec.plan.model import PrecisionPlan
from ftspec.spec.fields import Accepts, fields_of
from ftspec.spec.model import Hardware, Model, Parallelism, Precision, Storage, Training

_COUNT = {"type": "integer", "minimum": 1}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _number(accepts: Accepts) -> dict[str, Any]:
    limits = {
        "minimum": accepts.number.minimum,
        "maximum": accepts.number.maximum,
        "exclusiveMinimum": accepts.number.above,
        "exclusiveMaximum": accepts.number.below,
    }
    kind = "integer" if accepts.integer else "number"
    return {"type": kind, **{name: value for name, value in limits.items() if value is not None}}


def _value(accepts: Accepts) -> dict[str, Any]:
    """The schema of a field; null means that it is not written."""
    choices: list[dict[str, Any]] = [{"type": "null"}]
    words = [*accepts.words, *(["auto"] if accepts.auto else [])]
    if words:
        choices.append({"enum": words})
    if accepts.boolean:
        choices.append({"type": "boolean"})
    if accepts.integer or accepts.real:
        choices.append(_number(accepts))
    if accepts.string:
        choices.append({"type": "string"})
    if accepts.items is not None:
        item = _value(accepts.items)
        choices.append(
            {"type": "array", "items": {"anyOf": item["anyOf"][1:]} if len(item["anyOf"]) > 2 else item["anyOf"][1]}
        )
    if accepts.blocks:
        choices.append(_tagged(accepts.blocks) if len(accepts.blocks) > 1 else _block(accepts.blocks[0]))
    return {"anyOf": choices}


def _block(kind: type[Any], **more: Any) -> dict[str, Any]:
    properties = {key: _value(field.accepts) for key, field in fields_of(kind).items()}
    return {"type": "object", "properties": {**properties, **more}, "additionalProperties": False}


def _tagged(kinds: tuple[type[Any], ...], **more: Any) -> dict[str, Any]:
    """One of several blocks, by its `kind`: all their keys, and for each kind the names that it has."""
    properties = {
        key: _value(field.accepts) for kind in kinds for key, field in fields_of(kind).items() if key != "kind"
    }
    words = {str(fields_of(kind)["kind"].accepts.words[0]): [*fields_of(kind), *more] for kind in kinds}
    return {
        "type": "object",
        "properties": {"kind": {"enum": list(words)}, **properties, **more},
        "required": ["kind"],
        "additionalProperties": False,
        "allOf": [
            {"if": {"properties": {"kind": {"const": word}}}, "then": {"propertyNames": {"enum": names}}}
            for word, names in words.items()
        ],
    }


def _hint(hint: Any) -> dict[str, Any]:
    """The schema of a plain annotation of a catalog or plan type."""
    origin = get_origin(hint)
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin in (Union, UnionType):
        return {"anyOf": [_hint(member) for member in get_args(hint)]}
    if origin is tuple:
        return {"type": "array", "items": _hint(get_args(hint)[0])}
    if is_dataclass(hint) and isinstance(hint, type):
        return {"type": "object", "properties": _hints(hint), "additionalProperties": False}
    return {"type": "null" if hint is NoneType else _TYPES[hint]}


def _hints(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: _hint(hints[each.name]) for each in fields(kind)}


def _model() -> dict[str, Any]:
    stated = {key: _value(field.accepts) for key, field in fields_of(Model).items() if not field.accepts.blocks}
    stated["intermediate_size"] = {"type": "integer", "minimum": 0}
    more = {"id": {"type": "string"}, "parameters": _COUNT}
    return {"type": "object", "properties": {**_hints(ModelShape), **stated, **more}, "additionalProperties": False}


def _launcher() -> dict[str, Any]:
    tokens = {"type": "array", "items": {"type": "string"}}
    options = {key: _value(field.accepts) for key, field in fields_of(HydraOptions).items() if key != "launcher"}
    more = {"nodes": _COUNT, "gpus_per_node": _COUNT, "submit": tokens, "command": tokens}
    return _tagged((Torchrun, Slurm, Local), **options, **more)


def export_schema() -> dict[str, Any]:
    """The schema as a mapping. A key that may be left open is null where nothing is said."""
    precision = _block(
        Precision, optimizer_states={"anyOf": [{"type": "null"}, _hints(PrecisionPlan)["optimizer_states"]]}
    )
    groups = {
        "model": _model(),
        "hardware": _block(Hardware, world_size=_COUNT, usable_memory=_COUNT),
        "precision": precision,
        "parallelism": _block(Parallelism),
        "training": _block(Training),
        "storage": _block(Storage),
        "launcher": _launcher(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A composed Hydra config of ftspec: resolved, without raw keys and tables of derived values",
        "type": "object",
        "properties": {"name": {"type": "string", "minLength": 1}, **groups},
        "required": ["name", *(group for group in groups if group != "storage")],
        "additionalProperties": False,
    }


def schema_text() -> str:
    """The text of schemas/hydra.schema.json."""
    return json.dumps(export_schema(), indent=1, ensure_ascii=False) + "\n"
