"""Number literals: digits and a unit to an exact number, whatever the digits are."""

from fractions import Fraction
from functools import lru_cache

from ftspec.core.units import UNITS, Dimension
from ftspec.spec.values import Exact

_MOST_DIGITS = 60
LARGEST_INTERMEDIATE: int = 10**30
"""No number on the way to a value is larger: the operations of a whole training run are 10²⁶."""
_SMALLEST = Fraction(1, 10**30)
_DENOMINATOR_BITS = 256


def normal(number: int | Fraction) -> int | Fraction | None:
    """An int where whole, else a fraction whose denominator has at most 256 bits (a longer one is rounded to
    a double); None if out of bounds.
    """
    if isinstance(number, int) or number.denominator == 1:
        whole = int(number)
        return whole if -LARGEST_INTERMEDIATE <= whole <= LARGEST_INTERMEDIATE else None
    if not _SMALLEST <= abs(number) <= LARGEST_INTERMEDIATE:
        return None
    return number if number.denominator.bit_length() <= _DENOMINATOR_BITS else Fraction(float(number))


def _fraction(digits: str) -> int | Fraction | None:
    """The exact number, or None where it is too long, too large or too small to be meant."""
    mantissa, _, exponent = digits.lower().partition("e")
    if len(mantissa) > _MOST_DIGITS or len(exponent) > 4 or abs(int(exponent or "0")) > _MOST_DIGITS:
        return 0 if not mantissa.strip("0.") else None
    return normal(Fraction(digits))


@lru_cache(4096)
def literal_value(digits: str, unit: str) -> Exact | None:
    """The value of a literal; None if its number is out of bounds. Raises KeyError for an unknown unit."""
    if not unit:
        number = int(digits) if len(digits) <= 18 and digits.isdigit() else _fraction(digits)
        return None if number is None else Exact(number, Dimension.NUMBER)
    dimension, factor = UNITS[unit]
    number = _fraction(digits)
    scaled = None if number is None else normal(number * factor)
    return None if scaled is None else Exact(scaled, dimension)
