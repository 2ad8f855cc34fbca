"""Units as they are written elsewhere: which of ours was meant."""

from collections.abc import Iterable
from functools import cache

from ftspec.core.resources import json_beside
from ftspec.core.units import UNITS, Dimension
from ftspec.spec.fields import spec_paths
from ftspec.spec.lengths import BINARY, LENGTHS
from ftspec.spec.wording import EXAMPLES
from ftspec.syntax.tree import Expression, NumberLiteral, Reference

_MULTIPLIERS = ("k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi")


def _folded(unit: str) -> str:
    """A unit without case, but for the difference between bytes and bits."""
    return "".join(letter if letter == "B" else letter.lower() for letter in unit)


@cache
def _spellings(dimension: Dimension) -> dict[str, str]:
    """The units of a dimension under every spelling, folded: our own come first, then those of the table."""
    units: dict[str, str] = {}
    for unit, (measured, _) in UNITS.items():
        if measured is dimension:
            units.setdefault(_folded(unit), unit)
    for written, names in json_beside(__file__, "unit_spellings.json")["spellings"][dimension].items():
        base = written.lstrip("*")
        for multiplier in _MULTIPLIERS if written != base else ("",):
            if multiplier + base in UNITS:
                for name in names:
                    units.setdefault(_folded(name.replace("*", multiplier)), multiplier + base)
    return units


def meant_units(unit: str, dimensions: Iterable[Dimension]) -> list[str]:
    """The units of these dimensions that a spelling may mean, one of each dimension."""
    folded = _folded(unit)
    return [units[folded] for units in map(_spellings, dimensions) if folded in units]


def unit_help(literal: NumberLiteral, path: str | None) -> str:
    """What to write for a number with an unknown unit; `path` is the field that it is the value of, if known."""
    field = spec_paths().get(path or "")
    accepts = field[1].accepts if field else None
    known = accepts is not None and (accepts.integer or accepts.real)
    dimensions = [accepts.number.dimension] if accepts is not None and known else list(Dimension)
    meant = meant_units(literal.unit, dimensions)
    if path in LENGTHS:
        meant = [BINARY.get(unit, unit) for unit in meant]
    if meant:
        return f"did you mean {' or '.join(f'`{literal.digits}{unit}`' for unit in meant)}?"
    if len(dimensions) == 1:
        return f"write it like `{EXAMPLES[dimensions[0]]}`"
    return "units are written like `80GB`, `80GiB`, `400Gbps`, `50GB/s`, `72h`, `4Ki`"


def rate_written_apart(left: Expression, right: Expression) -> NumberLiteral | None:
    """`10GB/sec` as one number: what reads as a division by a name is meant as the unit of a data rate."""
    if type(left) is not NumberLiteral or type(right) is not Reference:
        return None
    unit = f"{left.unit}/{right.text}"
    if not meant_units(unit, [Dimension.BYTES_PER_SECOND]):
        return None
    return NumberLiteral(left.digits, unit, left.span.to(right.span))
