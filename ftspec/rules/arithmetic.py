"""Whole-number arithmetic that rules use to say which values would work."""

import math

from ftspec.plan.model import Plan

_LARGEST_FACTOR = 2**16
"""Divisors are for suggestions: nobody waits for those of an absurd number."""


def divisors(number: int) -> list[int]:
    """The divisors of a positive number, ascending. Of numbers above 2³² only those with a factor up to 2¹⁶."""
    root = math.isqrt(number)
    small = [candidate for candidate in range(1, min(root, _LARGEST_FACTOR) + 1) if number % candidate == 0]
    return small + [number // candidate for candidate in reversed(small) if candidate * candidate != number]


def common_divisors(first: int, *others: int) -> list[int]:
    """The numbers that divide all of them, ascending."""
    return [candidate for candidate in divisors(first) if all(other % candidate == 0 for other in others)]


def nearest(values: list[int], wanted: int, count: int = 3) -> list[int]:
    """The `count` values closest to the wanted one, ascending."""
    return sorted(sorted(values, key=lambda value: (abs(value - wanted), value))[:count])


def neighbours(number: int, factor: int) -> list[int]:
    """The multiples of `factor` just below (if positive) and just above a number that is none."""
    below = number // factor * factor
    return [multiple for multiple in (below, below + factor) if multiple > 0]


def round_up(number: int, factor: int) -> int:
    """The smallest multiple of `factor` that is not below `number`."""
    return -(-number // factor) * factor


def divides_layers(layers: int, pieces: int) -> bool:
    """Whether layers divide over pieces, by themselves or with embedding and head counted as a layer each."""
    return layers % pieces == 0 or ((layers + 2) % pieces == 0 and layers > pieces)


def multiplies_out(plan: Plan) -> bool:
    """Whether the layout uses exactly the job's GPUs. Rules that build on `data` are silent where it does not."""
    parallelism = plan.parallelism
    return (
        parallelism.tensor * parallelism.pipeline * parallelism.context * parallelism.data == plan.hardware.world_size
    )
