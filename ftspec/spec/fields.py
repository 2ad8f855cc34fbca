"""What a field takes: the annotations of a block's dataclass, read once."""

from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from ftspec.spec.kinds import Auto, Doc, Number, Text

_PLAIN = {bool: "boolean", int: "integer", float: "real", str: "string"}


class Accepts(NamedTuple):
    """The values that a field or a list's item takes."""

    words: tuple[str | int, ...] = ()
    boolean: bool = False
    integer: bool = False
    real: bool = False
    string: bool = False
    auto: bool = False
    items: "Accepts | None" = None
    blocks: tuple[type[Any], ...] = ()
    number: Number = Number()
    text: Text | None = None


class Field(NamedTuple):
    """One key of a block. `key` is its name in the language, `attribute` in the dataclass."""

    key: str
    attribute: str
    accepts: Accepts
    doc: str


def _read(annotation: Any, found: dict[str, Any]) -> None:
    """Add what an annotation allows to `found`. Raises TypeError for one that the language has no value for."""
    origin = get_origin(annotation)
    if origin is Annotated:
        _read(annotation.__origin__, found)
        for extra in annotation.__metadata__:
            name = "doc" if isinstance(extra, Doc) else "number" if isinstance(extra, Number) else "text"
            if isinstance(extra, Doc | Number | Text):
                found[name] = extra
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            _read(member, found)
    elif origin is Literal:
        found["words"] = (*found.get("words", ()), *get_args(annotation))
    elif origin in (tuple, list):
        item: dict[str, Any] = {}
        _read(get_args(annotation)[0], item)
        item.pop("doc", None)
        found["items"] = Accepts(**item)
    elif annotation in _PLAIN:
        found[_PLAIN[annotation]] = True
    elif annotation is Auto:
        found["auto"] = True
    elif hasattr(annotation, "__dataclass_fields__"):
        found["blocks"] = (*found.get("blocks", ()), annotation)
    elif annotation is not NoneType:
        raise TypeError(f"the language has no values of type {annotation}")


def _annotations(kind: type[Any]) -> dict[str, Any]:
    """The annotations of a dataclass; those of its bases and postponed ones only where there are such."""
    hints = {each.name: each.type for each in fields(kind)}
    postponed = any(isinstance(hint, str) for hint in hints.values())
    return get_type_hints(kind, include_extras=True) if postponed else hints


_FIELDS: dict[type[Any], dict[str, Field]] = {}


def fields_of(kind: type[Any]) -> dict[str, Field]:
    """The fields of a block's dataclass, by their key in the language, in order; read once."""
    read = _FIELDS.get(kind)
    if read is None:
        read = _FIELDS[kind] = _read_fields(kind)
    return read


def _read_fields(kind: type[Any]) -> dict[str, Field]:
    hints = _annotations(kind)
    read: dict[str, Field] = {}
    for each in fields(kind):
        found: dict[str, Any] = {}
        _read(hints[each.name], found)
        doc = str(found.pop("doc", ""))
        key = each.name.rstrip("_")
        read[key] = Field(key, each.name, Accepts(**found), doc)
    return read


def kind_words(kind: type[Any]) -> tuple[str, ...]:
    """The words that stand for a block or before it: `lora`; `adamw`, `adam`, …; none for a plain block."""
    field = fields_of(kind).get("kind")
    if field is None or kind.__dataclass_fields__["kind"].default is None:
        return ()
    return tuple(map(str, field.accepts.words))


@cache
def spec_paths() -> dict[str, tuple[type[Any], Field]]:
    """Every dotted path of a spec with its block's type and field, in order: `name`, `model`, `model.from`, …"""
    from ftspec.spec.model import Spec

    paths: dict[str, tuple[type[Any], Field]] = {}
    _add_paths(Spec, "", paths)
    return paths


def _add_paths(kind: type[Any], prefix: str, paths: dict[str, tuple[type[Any], Field]]) -> None:
    for field in fields_of(kind).values():
        paths.setdefault(prefix + field.key, (kind, field))
        for block in field.accepts.blocks:
            _add_paths(block, f"{prefix}{field.key}.", paths)
