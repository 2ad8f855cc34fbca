"""Values of the language: what an expression comes to, and the plain values that a typed block is built from.

While expressions are evaluated numbers are exact (`Exact`); in nested plain values a number is an int, a
float, or a `Quantity` where it has a dimension.
"""

from collections.abc import Collection
from fractions import Fraction
from typing import Any, NamedTuple

from ftspec.core.units import UNITS, Dimension, Quantity
from ftspec.spec.kinds import AUTO, LARGEST


class Word(str):
    """A bare word: an enum value, or a name that nothing has. `known` are the `let` names it could have meant."""

    __slots__ = ("known",)
    known: Collection[str]

    def __new__(cls, text: str, known: Collection[str] = ()) -> "Word":
        """A word with the names in scope where it stands."""
        word = super().__new__(cls, text)
        word.known = known
        return word


class Exact(NamedTuple):
    """A number in base units, exact: an int, or a fraction whose denominator is not 1."""

    number: int | Fraction
    dimension: Dimension


class Failed:
    """The value of an expression that has a finding already; whatever is made of it fails in silence."""

    __slots__ = ()


FAILED = Failed()


def plain(value: Any) -> Any:
    """The plain value of an evaluated one. A number beyond 64 bits is FAILED: report it where it stands."""
    if type(value) is not Exact:
        return value
    number: int | float = value.number if isinstance(value.number, int) else float(value.number)
    if isinstance(number, int) and abs(number) > LARGEST:
        return FAILED
    return number if value.dimension is Dimension.NUMBER else Quantity(number, value.dimension)


_SHOWN_UNITS: dict[Dimension, tuple[str, ...]] = {
    Dimension.NUMBER: ("",),
    Dimension.BYTES: ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB"),
    Dimension.BYTES_PER_SECOND: ("TB/s", "GB/s", "MB/s", "kB/s"),
    Dimension.SECONDS: ("d", "h", "min", "s", "ms", "us"),
    Dimension.DOLLARS: ("USD",),
}


def number_text(number: int | float | Fraction) -> str:
    """A bare number for people: `4,096`, `12.8`, `1e-05`."""
    if isinstance(number, int) or (-(10**15) < number < 10**15 and number == int(number)):
        return f"{int(number):,}"
    return f"{float(number):.6g}"


def quantity_text(number: int | float | Fraction, dimension: Dimension) -> str:
    """A number with its dimension in the largest unit that keeps it short: `80GB`, `50GB/s`, `30min`."""
    for name in _SHOWN_UNITS[dimension]:
        if name == "":
            return number_text(number)
        scaled = Fraction(number) / UNITS[name].factor
        if 1 <= abs(scaled) < 10**6 and (scaled * 1000).denominator == 1:
            return f"{float(scaled):.10g}{name}"
    smallest = {Dimension.BYTES: " bytes", Dimension.BYTES_PER_SECOND: " bytes/s", Dimension.SECONDS: "s"}
    return number_text(number) + smallest.get(dimension, "USD")


DIMENSION_NAMES: dict[Dimension, str] = {
    Dimension.NUMBER: "a number without a unit",
    Dimension.BYTES: "a size in bytes",
    Dimension.BYTES_PER_SECOND: "a data rate",
    Dimension.SECONDS: "a time",
    Dimension.DOLLARS: "an amount of money",
}


def shown(value: Any) -> str:
    """A value as a phrase in a message: `80GB` (a size in bytes), the word `full`, the string "x"."""
    if value is AUTO:
        return "`auto`"
    if isinstance(value, Exact | Quantity):
        text = quantity_text(value.number, value.dimension)
        return (
            f"the number {text}"
            if value.dimension is Dimension.NUMBER
            else f"`{text}` ({DIMENSION_NAMES[value.dimension]})"
        )
    if isinstance(value, Word):
        return f"the word `{value}`"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, int | float):
        return f"the number {number_text(value)}"
    if isinstance(value, str):
        return f'the string "{shortened(value)}"'
    return "a list" if isinstance(value, list) else "a block"


def shortened(text: str) -> str:
    """A user's text made safe for a message: one line, at most 40 characters."""
    safe = "".join(character if character.isprintable() else "?" for character in text[:41])
    return safe if len(text) <= 40 else safe[:39] + "…"
