"""Operators and functions over exact numbers with dimensions. Units are types: `10GB / 2s` is a data rate."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

from ftspec.core.units import Dimension
from ftspec.spec.numbers import normal
from ftspec.spec.values import DIMENSION_NAMES, Exact, Word, shown

_NUMBER, _BYTES, _RATE, _SECONDS = Dimension.NUMBER, Dimension.BYTES, Dimension.BYTES_PER_SECOND, Dimension.SECONDS
_PRODUCTS = {(_RATE, _SECONDS): _BYTES, (_SECONDS, _RATE): _BYTES}
_QUOTIENTS = {(_BYTES, _SECONDS): _RATE, (_BYTES, _RATE): _SECONDS}


class OperandError(Exception):
    """Values that an operation cannot take. The message says why; `kind` is operands, zero, bounds or call,
    `culprit` the position of the operand that is wrong by itself.
    """

    def __init__(self, message: str, kind: str = "operands", culprit: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.culprit = culprit


def _need_numbers(operator: str, values: Sequence[Any]) -> None:
    for position, value in enumerate(values):
        if not isinstance(value, Exact):
            raise OperandError(f"`{operator}` needs numbers, and this is {shown(value)}", culprit=position)


def _bounded(number: int | Fraction, dimension: Dimension) -> Exact:
    result = normal(number)
    if result is None:
        raise OperandError("the result is outside of 10⁻³⁰ to 10³⁰", "bounds")
    return Exact(result, dimension)


def _same(operator: str, left: Exact, right: Exact) -> None:
    if left.dimension is not right.dimension:
        raise OperandError(
            f"`{operator}` needs the same unit on both sides, and these are "
            f"{DIMENSION_NAMES[left.dimension]} and {DIMENSION_NAMES[right.dimension]}"
        )


def _product(left: Exact, right: Exact) -> Exact:
    if _NUMBER in (left.dimension, right.dimension):
        dimension = right.dimension if left.dimension is _NUMBER else left.dimension
    elif (left.dimension, right.dimension) in _PRODUCTS:
        dimension = _PRODUCTS[left.dimension, right.dimension]
    else:
        raise OperandError(
            f"{DIMENSION_NAMES[left.dimension]} cannot be multiplied by {DIMENSION_NAMES[right.dimension]}"
        )
    return _bounded(left.number * right.number, dimension)


def _quotient(left: Exact, right: Exact) -> Exact:
    if right.number == 0:
        raise OperandError("division by zero", "zero")
    if right.dimension is _NUMBER:
        dimension = left.dimension
    elif left.dimension is right.dimension:
        dimension = _NUMBER
    elif (left.dimension, right.dimension) in _QUOTIENTS:
        dimension = _QUOTIENTS[left.dimension, right.dimension]
    else:
        raise OperandError(f"{DIMENSION_NAMES[left.dimension]} cannot be divided by {DIMENSION_NAMES[right.dimension]}")
    return _bounded(Fraction(left.number) / right.number, dimension)


def _remainder(left: Exact, right: Exact) -> Exact:
    _same("%", left, right)
    if right.number == 0:
        raise OperandError("the remainder of a division by zero", "zero")
    return _bounded(left.number % right.number, left.dimension)


def _sum(left: Exact, right: Exact) -> Exact:
    _same("+", left, right)
    return _bounded(left.number + right.number, left.dimension)


def _difference(left: Exact, right: Exact) -> Exact:
    _same("-", left, right)
    return _bounded(left.number - right.number, left.dimension)


_ARITHMETIC: dict[str, Callable[[Exact, Exact], Exact]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
    "%": _remainder,
}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _comparable(value: Any) -> str:
    """The family of values that may be compared for equality with this one."""
    if isinstance(value, Exact):
        return value.dimension
    return "word" if isinstance(value, Word) else type(value).__name__


def _equal(operator: str, left: Any, right: Any) -> bool:
    pair = [
        value["kind"] if isinstance(value, dict) and isinstance(value.get("kind"), Word) else value
        for value in (left, right)
    ]
    if _comparable(pair[0]) != _comparable(pair[1]):
        raise OperandError(f"`{operator}` compares values of one type, and these are {shown(left)} and {shown(right)}")
    return bool(pair[0] == pair[1])


def combine(operator: str, left: Any, right: Any) -> Any:
    """`left operator right` for arithmetic and comparison. Raises OperandError.

    A tagged value compares by its word: `training.method == lora` holds for `lora { rank = 16 }`.
    """
    if operator == "==":
        return _equal(operator, left, right)
    if operator == "!=":
        return not _equal(operator, left, right)
    _need_numbers(operator, (left, right))
    if operator in _ORDER:
        _same(operator, left, right)
        return _ORDER[operator](left.number, right.number)
    return _ARITHMETIC[operator](left, right)


def negate(value: Any) -> Exact:
    """`-value`. Raises OperandError."""
    _need_numbers("-", (value,))
    return Exact(-value.number, value.dimension)


_ROUNDING: dict[str, Callable[[int | Fraction], int]] = {"ceil": ceil, "floor": floor, "round": round}
FUNCTIONS = ("min", "max", *_ROUNDING)
"""The functions of the language. Rounding is to whole base units; `round` takes halves to the even neighbour."""


def call(name: str, arguments: Sequence[Any]) -> Exact:
    """The value of one of FUNCTIONS. Raises OperandError, of kind `call` for a wrong number of arguments."""
    wanted = "one argument" if name in _ROUNDING else "two or more arguments"
    if (len(arguments) != 1) if name in _ROUNDING else (len(arguments) < 2):
        raise OperandError(f"`{name}` takes {wanted}, not {len(arguments)}", "call")
    _need_numbers(name, arguments)
    first = arguments[0]
    for value in arguments:
        _same(name, first, value)
    if name in _ROUNDING:
        return Exact(_ROUNDING[name](first.number), first.dimension)
    numbers = [value.number for value in arguments]
    return Exact(min(numbers) if name == "min" else max(numbers), first.dimension)
