"""Sizes as linear forms: so that a step is worked out once a model, not once a batch."""

from ftspec.core.record import record


@record
class Point:
    """The lengths of a micro-batch: `tokens` of the rank, `shard_tokens` after sequence parallelism, `positions` of
    one sequence, and `pairs` of query and key positions over the micro-batch. `mixed` is `tokens` where a micro-batch
    has more than one sequence, else 0. Where the sequence is divided over a context group, `exchanged` is `tokens`,
    `gathered` those of the whole group, and `gathered_mixed` these where a micro-batch has more than one sequence; else
    they are 0.
    """

    tokens: int
    shard_tokens: int
    positions: int
    pairs: int
    mixed: int = 0
    exchanged: int = 0
    gathered: int = 0
    gathered_mixed: int = 0


class Form:
    """`fixed` + `token` × tokens + `shard` × shard_tokens + `position` × positions + `pair` × pairs + `mixed` ×
    mixed + `exchanged` × exchanged + `gathered` × gathered.
    """

    __slots__ = ("exchanged", "fixed", "gathered", "gathered_mixed", "mixed", "pair", "position", "shard", "token")

    def __init__(
        self,
        fixed: int = 0,
        token: int = 0,
        shard: int = 0,
        position: int = 0,
        pair: int = 0,
        mixed: int = 0,
        exchanged: int = 0,
        gathered: int = 0,
        gathered_mixed: int = 0,
    ) -> None:
        self.fixed, self.token, self.shard = fixed, token, shard
        self.position, self.pair, self.mixed = position, pair, mixed
        self.exchanged, self.gathered, self.gathered_mixed = exchanged, gathered, gathered_mixed

    def __add__(self, other: "Form") -> "Form":
        return Form(
            self.fixed + other.fixed,
            self.token + other.token,
            self.shard + other.shard,
            self.position + other.position,
            self.pair + other.pair,
            self.mixed + other.mixed,
            self.exchanged + other.exchanged,
            self.gathered + other.gathered,
            self.gathered_mixed + other.gathered_mixed,
        )

    def __sub__(self, other: "Form") -> "Form":
        return self + other * -1

    def __mul__(self, factor: int) -> "Form":
        return Form(
            self.fixed * factor,
            self.token * factor,
            self.shard * factor,
            self.position * factor,
            self.pair * factor,
            self.mixed * factor,
            self.exchanged * factor,
            self.gathered * factor,
            self.gathered_mixed * factor,
        )

    def __floordiv__(self, divisor: int) -> "Form":
        return Form(
            self.fixed // divisor,
            self.token // divisor,
            self.shard // divisor,
            self.position // divisor,
            self.pair // divisor,
            self.mixed // divisor,
            self.exchanged // divisor,
            self.gathered // divisor,
            self.gathered_mixed // divisor,
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
        if self.mixed:
            total = total + self.mixed * point.mixed
        if self.exchanged:
            total = total + self.exchanged * point.exchanged
        if self.gathered:
            total = total + self.gathered * point.gathered
        if self.gathered_mixed:
            total = total + self.gathered_mixed * point.gathered_mixed
        return total

    def covers(self, other: "Form") -> bool:
        """Whether this form is at least the other whatever the micro-batch."""
        return (
            self.fixed >= other.fixed
            and self.token >= other.token
            and self.shard >= other.shard
            and self.position >= other.position
            and self.pair >= other.pair
            and self.mixed >= other.mixed
            and self.exchanged >= other.exchanged
            and self.gathered >= other.gathered
            and self.gathered_mixed >= other.gathered_mixed
        )


ZERO = Form()
