"""Sizes as linear forms: so that a step is worked out once a model, not once a batch."""

from ftspec.core.record import record


@record
class Point:
    """The lengths of a micro-batch: `tokens` of the rank, `shard_tokens` after sequence parallelism, `positions` of
    one sequence, and `pairs` of query and key positions over the micro-batch.
    """

    tokens: int
    shard_tokens: int
    positions: int
    pairs: int


class Form:
    """`fixed` + `token` × tokens + `shard` × shard_tokens + `position` × positions + `pair` × pairs."""

    __slots__ = ("fixed", "pair", "position", "shard", "token")

    def __init__(self, fixed: int = 0, token: int = 0, shard: int = 0, position: int = 0, pair: int = 0) -> None:
        self.fixed, self.token, self.shard, self.position, self.pair = fixed, token, shard, position, pair

    def __add__(self, other: "Form") -> "Form":
        return Form(
            self.fixed + other.fixed,
            self.token + other.token,
            self.shard + other.shard,
            self.position + other.position,
            self.pair + other.pair,
        )

    def __sub__(self, other: "Form") -> "Form":
        return self + other * -1

    def __mul__(self, factor: int) -> "Form":
        return Form(
            self.fixed * factor, self.token * factor, self.shard * factor, self.position * factor, self.pair * factor
        )

    def __floordiv__(self, divisor: int) -> "Form":
        return Form(
            self.fixed // divisor,
            self.token // divisor,
            self.shard // divisor,
            self.position // divisor,
            self.pair // divisor,
        )

    def at(self, point: Point) -> int:
        """The value of the form for a micro-batch."""
        total = self.fixed
        if self.token:
            total = total + self.token * point.tokens
        if self.shard:
            total = total + self.shard * point.shard_tokens
        if self.position:
            total = total + self.position * point.positions
        if self.pair:
            total = total + self.pair * point.pairs
        return total

    def covers(self, other: "Form") -> bool:
        """Whether this form is at least the other whatever the micro-batch."""
        return (
            self.fixed >= other.fixed
            and self.token >= other.token
            and self.shard >= other.shard
            and self.position >= other.position
            and self.pair >= other.pair
        )


ZERO = Form()
