"""Records behave as frozen dataclasses do."""

import dataclasses

import pytest
from pydantic import TypeAdapter

from ftspec.core.record import record


@record
class Point:
    """A point with a default, a factory and a field that comparison leaves out."""

    x: int
    y: int = 2
    tags: list[str] = dataclasses.field(default_factory=list)
    note: str = dataclasses.field(default="", compare=False)


def test_defaults_are_filled_and_factories_called_each_time() -> None:
    first, second = Point(1), Point(x=1)
    assert (first.x, first.y, first.tags) == (1, 2, [])
    assert first.tags is not second.tags


@pytest.mark.parametrize(
    "arguments", [((), {}), ((1, 2, [], "", 5), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"z": 1, "y": 1})]
)
def test_wrong_calls_are_refused(arguments: tuple[tuple, dict]) -> None:
    positional, named = arguments
    with pytest.raises(TypeError, match="Point takes x, y, tags, note"):
        Point(*positional, **named)


def test_equality_and_hash_go_by_the_compared_fields() -> None:
    empty: tuple[str, ...] = ()
    assert Point(1, 2, empty, "a") == Point(1, 2, empty, "b") != Point(2)
    assert hash(Point(1, 2, empty, "a")) == hash(Point(1, 2, empty, "b"))
    assert Point(1) != (1, 2)


def test_frozen() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del point.x


def test_the_dataclass_tools_know_it() -> None:
    assert dataclasses.replace(Point(1), y=5).y == 5
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 2, "tags": [], "note": ""}
    assert [each.name for each in dataclasses.fields(Point)] == ["x", "y", "tags", "note"]
    assert all(part in repr(Point(1, tags=["a"])) for part in ("Point(", "x=1", "tags=['a']"))


def test_pydantic_validates_it() -> None:
    assert TypeAdapter(Point).validate_python({"x": 3}).y == 2
