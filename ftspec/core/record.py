"""Frozen dataclasses that are cheap to define.

`dataclass` writes and compiles the source of each class's methods. A check defines some sixty classes, and
compiling those methods would take longer than everything else it does. A record is a dataclass
(`fields`, `replace`, `asdict` and pydantic know it as one) whose methods are ordinary closures.
"""

from dataclasses import MISSING, Field, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

Class = TypeVar("Class")

_DIGEST = "hash of the fields"
"""Where a record keeps its hash once it was asked for: large ones are keys of many caches."""


@dataclass_transform(frozen_default=True, field_specifiers=(Field, field))
def record(cls: type[Class]) -> type[Class]:
    """Make a class a frozen dataclass, compared and hashed by its fields (but those with `compare=False`)."""
    made: Any = dataclass(init=False, repr=False, eq=False)(cls)
    declared = fields(made)
    made.__init__ = _initializer(cls.__name__, declared)
    compared = [each.name for each in declared if each.compare]
    made.__eq__, made.__hash__ = _comparison(compared)
    made.__repr__ = _representation
    made.__setattr__ = made.__delattr__ = _refuse
    return made  # type: ignore[no-any-return]


def _initializer(class_name: str, declared: tuple[Field[Any], ...]) -> Any:
    names = tuple(each.name for each in declared)
    wanted = frozenset(names)
    defaults = {each.name: each.default for each in declared if each.default is not MISSING}
    factories = {each.name: each.default_factory for each in declared if each.default_factory is not MISSING}

    def initialize(self: Any, *positional: Any, **named: Any) -> None:
        values = self.__dict__
        if positional:
            values.update(zip(names, positional, strict=False))
        values.update(named)
        given = len(values)
        if given != len(names):
            values.update({name: default for name, default in defaults.items() if name not in values})
            values.update({name: factory() for name, factory in factories.items() if name not in values})
        if given != len(positional) + len(named) or values.keys() != wanted:
            by_name = ", ".join(named) or "none"
            raise TypeError(
                f"{class_name} takes {', '.join(names)}; given {len(positional)} by position, {by_name} by name"
            )

    return initialize


def _comparison(names: list[str]) -> tuple[Any, Any]:
    values = attrgetter(*names) if names else lambda self: ()

    def equal(self: Any, other: object) -> Any:
        return values(self) == values(other) if type(self) is type(other) else NotImplemented

    def digest(self: Any) -> int:
        found = self.__dict__.get(_DIGEST)
        if found is None:
            found = self.__dict__[_DIGEST] = hash(values(self))
        return found  # type: ignore[no-any-return]

    return equal, digest


def _representation(self: Any) -> str:
    said = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items() if name != _DIGEST)
    return f"{type(self).__name__}({said})"


def _refuse(self: object, name: str, *value: object) -> NoReturn:
    raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be changed")
