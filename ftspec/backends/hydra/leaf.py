"""A value of the tree, and whether it is an input, a default or follows from other values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias


class Leaf(NamedTuple):
    """One value of a group file.

    `value` is what it resolves to, `origin` the plan path that it carries or "constant: why". A `derived`
    leaf is written as an interpolation: with `follows` (dotted keys of the composed config) into a table that
    has only the combination it was compiled for, so that any other raises; with `text` into an expression that
    recomputes it. `given` marks what the user wrote although it follows from the rest (all three of the batch).
    `default` marks what nobody wrote and nothing decides.
    """

    value: Any
    origin: str
    derived: bool = False
    follows: tuple[str, ...] = ()
    text: Any = None
    given: bool = False
    default: bool = False


Group: TypeAlias = Mapping[str, "Leaf | Group"]
"""The content of a group file, nested as its keys are."""


def leaves(group: Group, prefix: str = "") -> Iterator[tuple[str, Leaf]]:
    """Every leaf with its dotted key, in the order of the file."""
    for key, value in group.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Leaf):
            yield path, value
        else:
            yield from leaves(value, path)


def plain(group: Group) -> dict[str, Any]:
    """The group with every leaf as the value that it resolves to."""
    return {key: value.value if isinstance(value, Leaf) else plain(value) for key, value in group.items()}


def put(target: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set a key of nested dicts, making the dicts on the way."""
    *parents, last = path
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
