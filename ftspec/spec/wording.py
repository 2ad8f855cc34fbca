"""What a field takes, in words."""

from typing import Any

from ftspec.core.units import Dimension
from ftspec.spec.fields import Accepts, kind_words
from ftspec.spec.kinds import Number
from ftspec.spec.values import quantity_text

EXAMPLES: dict[Dimension, str] = {
    Dimension.NUMBER: "16",
    Dimension.BYTES: "80GB` or `80GiB",
    Dimension.BYTES_PER_SECOND: "10GB/s` or `400Gbps",
    Dimension.SECONDS: "30min` or `72h",
    Dimension.DOLLARS: "2.50USD",
}
_KINDS: dict[Dimension, str] = {
    Dimension.BYTES: "a size such as `80GB` or `80GiB`",
    Dimension.BYTES_PER_SECOND: "a data rate such as `10GB/s` or `400Gbps`",
    Dimension.SECONDS: "a time such as `30min` or `72h`",
    Dimension.DOLLARS: "an amount such as `2.50USD`",
}


def listed(words: Any, last: str = "or") -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{word}`" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def block_words(accepts: Accepts) -> tuple[str, ...]:
    """All words that choose among or within the blocks of a field."""
    return tuple(word for block in accepts.blocks for word in kind_words(block))


def _alternatives(accepts: Accepts) -> list[str]:
    parts: list[str] = []
    words = [*accepts.words, *block_words(accepts)]
    if words:
        parts.append(listed(words) if len(words) < 9 else f"one of {listed(words)}")
    if accepts.integer or accepts.real:
        bare = "a whole number" if accepts.integer else "a number"
        parts.append(_KINDS.get(accepts.number.dimension, bare))
    if accepts.boolean:
        parts.append("`true` or `false`")
    if accepts.string:
        parts.append("a string in quotes")
    if accepts.items is not None:
        parts.append("a list of strings" if accepts.items.string else "a list")
    if accepts.blocks and not words:
        parts.append("a block `{ … }`")
    if accepts.auto:
        parts.append("`auto`")
    return parts


def expected(accepts: Accepts) -> str:
    """What a field takes: `a whole number, or `auto``."""
    return ", or ".join(_alternatives(accepts))


def limits(number: Number) -> str:
    """A number's limits as a phrase: `from 0 to 3`, `above 0 and at most 1TB`."""
    parts: list[str] = []
    for limit, word in (
        (number.minimum, "at least"),
        (number.above, "above"),
        (number.maximum, "at most"),
        (number.below, "below"),
    ):
        if limit is not None:
            parts.append(f"{word} {quantity_text(limit, number.dimension)}")
    return " and ".join(parts)
