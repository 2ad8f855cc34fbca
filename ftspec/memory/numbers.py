"""The same formulas for one layout and for many.

A plan's numbers are ints, or, in a batch, int64 arrays with an element for each layout (`ftspec.memory.batch`). Sums,
products and floor divisions take both; what Python writes with `if`, `max` and `min` is here. Annotations say `int`.
"""

from collections.abc import Iterable
from typing import Any


def largest(first: int, second: int) -> int:
    """The larger of two numbers, or of each pair of elements."""
    if isinstance(first, int) and isinstance(second, int):
        return max(first, second)
    import numpy

    return numpy.maximum(first, second)


def smallest(first: int, second: int) -> int:
    """The smaller of two numbers, or of each pair of elements."""
    if isinstance(first, int) and isinstance(second, int):
        return min(first, second)
    import numpy

    return numpy.minimum(first, second)


def choose(condition: bool, one: Any, other: Any) -> Any:
    """`one` where the condition holds, else `other`; a single number in a batch holds for all elements."""
    if isinstance(condition, bool):
        return one if condition else other
    import numpy

    return numpy.where(condition, one, other)


def when(condition: bool, value: int) -> int:
    """`value` where the condition holds, else 0."""
    if isinstance(condition, bool):
        return value if condition else 0
    return condition * value


def alike(condition: bool) -> bool:
    """A condition that holds for all layouts of a batch, or for none of them."""
    return condition if isinstance(condition, bool) else bool(condition.flat[0])


def parts(whole: int, divisor: int) -> int:
    """`whole / divisor`, rounded up."""
    return -(-whole // divisor)


def power_of_two(number: int) -> int:
    """The smallest power of two that is no less."""
    if isinstance(number, int):
        return 1 << (number - 1).bit_length()
    import numpy

    return 1 << numpy.ceil(numpy.log2(number)).astype(numpy.int64)


def weighted(counts: Iterable[int], values: Iterable[int]) -> int:
    """The sum of `values`, each as often as `counts` says. Work on arrays is spared where a count is 0."""
    total = 0
    for count, value in zip(counts, values, strict=True):
        if not isinstance(count, int) or count:
            total = total + count * value
    return total
