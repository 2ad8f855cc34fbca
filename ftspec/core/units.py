"""Units and dimensions of the language's literals.

`80GB` is 80·10⁹ bytes and `80GiB` 80·2³⁰; `400Gbps` counts bits and `50GB/s` bytes, and both are data
rates held in bytes per second. A bare number may carry a multiplier (`4k`, `4Ki`, `1B`).
"""

from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple


class Dimension(StrEnum):
    """What a quantity measures; its base unit is the value."""

    NUMBER = "number"
    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes per second"
    SECONDS = "seconds"
    DOLLARS = "dollars"


class Unit(NamedTuple):
    """A unit's dimension and its factor to the base unit."""

    dimension: Dimension
    factor: Fraction


class Quantity(NamedTuple):
    """A number with a dimension, in the dimension's base unit (bytes, bytes per second, seconds, dollars)."""

    number: int | float
    dimension: Dimension


_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}


def _units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for prefix, factor in {**_DECIMAL, "K": 10**3, **_BINARY}.items():
        units[f"{prefix}B"] = Unit(Dimension.BYTES, Fraction(factor))
        units[f"{prefix}B/s"] = Unit(Dimension.BYTES_PER_SECOND, Fraction(factor))
        if not prefix.endswith("i"):
            for bits in ("bps", "bit/s", "b/s"):
                units[f"{prefix}{bits}"] = Unit(Dimension.BYTES_PER_SECOND, Fraction(factor, 8))
    times = {
        "us": Fraction(1, 10**6),
        "ms": Fraction(1, 10**3),
        "s": Fraction(1),
        "min": Fraction(60),
        "h": Fraction(3600),
    }
    for name, seconds in {**times, "d": Fraction(86400)}.items():
        units[name] = Unit(Dimension.SECONDS, seconds)
    units["USD"] = Unit(Dimension.DOLLARS, Fraction(1))
    for name, factor in {
        "k": 10**3,
        "M": 10**6,
        "B": 10**9,
        "T": 10**12,
        "Ki": 2**10,
        "Mi": 2**20,
        "Gi": 2**30,
    }.items():
        units[name] = Unit(Dimension.NUMBER, Fraction(factor))
    return units


UNITS: dict[str, Unit] = _units()
"""Every suffix that a literal may carry."""


def scaled(number: Fraction, unit: Unit) -> int | float:
    """`number` of `unit` in base units: an int where it is whole, else the nearest float."""
    value = number * unit.factor
    return value.numerator if value.denominator == 1 else float(value)
