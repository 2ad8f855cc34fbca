"""Kinds of field: what a spec field's annotation says beyond its Python type.

A block of the spec is a frozen dataclass whose annotations read
`Annotated[int | Auto | None, Whole(minimum=1), Doc("...")]`. One declaration serves three readers: the
lowering checks a written value against it and can say what is wrong at its place, pydantic validates
and exports the JSON Schema from it, and the docs are generated from it.
"""

from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any

from ftspec.core.record import record
from ftspec.core.units import Dimension

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema


class Auto(Enum):
    """The language's `auto`: the planner or a formula fills the value."""

    AUTO = "auto"

    def __repr__(self) -> str:
        return "auto"


AUTO = Auto.AUTO


class Doc(str):
    """A field's documentation: one sentence, shown by `explain`, the editor and the docs."""

    __slots__ = ()

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """State it in the exported JSON Schema."""
        exported: dict[str, Any] = handler(schema)
        return {**exported, "description": str(self)}


def _limit(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


@record
class Number:
    """A number's dimension and limits; `minimum` and `maximum` are inclusive, in base units.

    `above` is an exclusive lower limit. `whole` asks for an integer.
    """

    dimension: Dimension = Dimension.NUMBER
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    whole: bool = False

    def problem(self, value: float) -> str | None:
        """What is wrong with a value that has the right dimension, as a phrase; None if nothing is."""
        if not isfinite(value):
            return "is not a finite number"
        if self.whole and value != int(value):
            return "is not a whole number"
        if self.minimum is not None and value < self.minimum:
            return f"is below the minimum of {_limit(self.minimum)}"
        if self.above is not None and value <= self.above:
            return f"is not above {_limit(self.above)}"
        if self.maximum is not None and value > self.maximum:
            return f"is above the maximum of {_limit(self.maximum)}"
        if self.below is not None and value >= self.below:
            return f"is not below {_limit(self.below)}"
        return None

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        """Let pydantic apply the same limits."""
        from pydantic_core import core_schema

        def check(value: Any) -> Any:
            if isinstance(value, int | float) and not isinstance(value, bool):
                problem = self.problem(value)
                if problem is not None:
                    raise ValueError(f"{value} {problem}")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """State the limits and the dimension in the exported JSON Schema."""
        exported: dict[str, Any] = handler(schema)
        numeric = [part for part in exported.get("anyOf", [exported]) if part.get("type") in ("integer", "number")]
        names = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "exclusiveMinimum": self.above,
            "exclusiveMaximum": self.below,
        }
        for part in numeric:
            part.update({name: value for name, value in names.items() if value is not None})
        if self.dimension is not Dimension.NUMBER:
            exported["x-dimension"] = str(self.dimension)
        return exported


@record
class Text:
    """Which strings a field takes: printable ones; `file_name` those that a file or a job may be called by."""

    file_name: bool = False

    def problem(self, value: str) -> str | None:
        """What is wrong with a string, as a phrase; None if nothing is."""
        if not value.strip():
            return "is empty"
        if not value.isprintable():
            return "has a character that cannot be printed"
        if not self.file_name:
            return None
        if "/" in value or "\\" in value:
            return "has a slash"
        if value[0] in ".-" or value != value.strip():
            return "begins with a dot, a dash or a space, or ends with a space"
        return "is longer than 100 characters" if len(value) > 100 else None

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        """Let pydantic apply the same limits."""
        from pydantic_core import core_schema

        def check(value: Any) -> Any:
            for text in value if isinstance(value, tuple) else (value,):
                problem = self.problem(text) if isinstance(text, str) else None
                if problem is not None:
                    raise ValueError(f"{text!r} {problem}")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))


class ByKind:
    """The field's block says which one it is, by the word before it: `kind` in a mapping."""

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        """Let pydantic ask for `kind`, and report the problems of the chosen block only."""
        from typing import get_args

        from pydantic_core import core_schema

        blocks = [member for member in get_args(source) if hasattr(member, "__dataclass_fields__")]
        if len(blocks) == 1:
            return core_schema.no_info_before_validator_function(_require_kind, handler(source))
        choices = {block.__dataclass_fields__["kind"].default: handler.generate_schema(block) for block in blocks}
        return core_schema.nullable_schema(core_schema.tagged_union_schema(choices, discriminator="kind"))


def _require_kind(value: Any) -> Any:
    if isinstance(value, dict) and "kind" not in value:
        from pydantic_core import PydanticCustomError

        raise PydanticCustomError("missing_kind", "does not say its `kind`")
    return value


LARGEST = 2**63 - 1
"""No whole number of a spec is larger: every framework holds them in 64 bits."""

COUNT = Number(minimum=1, maximum=2**31 - 1, whole=True)
LAYERS = Number(minimum=1, maximum=10_000, whole=True)
WHOLE = Number(minimum=0, maximum=2**31 - 1, whole=True)
TOKENS = Number(minimum=1, maximum=LARGEST, whole=True)
BYTES = Number(Dimension.BYTES, above=0, maximum=LARGEST, whole=True)
DATA_RATE = Number(Dimension.BYTES_PER_SECOND, above=0, maximum=1e18)
SECONDS = Number(Dimension.SECONDS, above=0, maximum=1e12)
DOLLARS = Number(Dimension.DOLLARS, minimum=0, maximum=1e12)
POSITIVE = Number(above=0, maximum=1e30)
NON_NEGATIVE = Number(minimum=0, maximum=1e30)
FRACTION = Number(minimum=0, below=1)
ZERO_STAGE = Number(minimum=0, maximum=3, whole=True)
TEXT = Text()
FILE_NAME = Text(file_name=True)
BY_KIND = ByKind()
