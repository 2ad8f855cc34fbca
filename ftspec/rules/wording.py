"""How rules write numbers, lists and places."""

from collections.abc import Iterable

from ftspec.core.finding import Edit, Fix
from ftspec.core.source import Span
from ftspec.plan.model import Plan


def either(values: Iterable[object]) -> str:
    """`2, 4 or 8`, as a spec writes them."""
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def gigabytes(number_of_bytes: float) -> str:
    """`1,129 GB`, with one decimal below 100 GB; 10⁹ bytes."""
    amount = number_of_bytes / 1e9
    return f"{amount:,.0f} GB" if amount >= 100 else f"{amount:,.1f} GB"


def gibibytes(number_of_bytes: float) -> str:
    """`79.1 GiB`; 2³⁰ bytes."""
    return f"{number_of_bytes / 2**30:,.1f} GiB"


def gigabits_per_second(bytes_per_second: float) -> str:
    """`400 Gb/s`."""
    return f"{bytes_per_second * 8 / 1e9:,g} Gb/s"


def gigabytes_per_second(bytes_per_second: float) -> str:
    """`50 GB/s`."""
    return f"{bytes_per_second / 1e9:,g} GB/s"


def billions(count: int) -> str:
    """`70.6B`, or `512M` below a billion."""
    return f"{count / 1e9:,.1f}B" if count >= 10**9 else f"{count / 1e6:,.0f}M"


def blamed(plan: Plan, *paths: str) -> Span:
    """Where to point: the first of the paths that the user wrote, else the block of the first."""
    return next((plan.places[path].value for path in paths if plan.given(path)), plan.where(paths[0]))


def replacing(plan: Plan, path: str, value: object) -> Fix | None:
    """The fix that writes another value at a path; None where the value does not stand in the spec's own file."""
    place = plan.places.get(path)
    if place is None or place.path != plan.path:
        return None
    return Fix(f"write {path.rpartition('.')[2]} = {value}", (Edit(place.value, str(value)),))
