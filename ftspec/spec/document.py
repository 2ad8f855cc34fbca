"""A document: everything that a spec's text says, typed, before anything is resolved."""

from collections.abc import Mapping
from typing import Any

from ftspec.core.record import record
from ftspec.core.source import Place, Span
from ftspec.spec.model import Spec
from ftspec.syntax.tree import Assert, Import, Variant


@record
class TargetBlock:
    """A `target NAME { … }` block.

    `options` holds the values of everything but `raw`, `raw` those of `raw { … }`, both as plain values:
    str, int, float, bool, list, dict, `Quantity` for a number with a dimension, and for a tagged value
    (`slurm { partition = "h100" }`) the dict with its word under "kind". A bare word without a body is a
    str. `places` has the place of every key in the block under dotted paths relative to the block
    (`launcher.partition`, `raw.zero_optimization.stage`).
    """

    name: str
    span: Span
    options: Mapping[str, Any]
    raw: Mapping[str, Any]
    places: Mapping[str, Place]


@record
class Document:
    """A lowered text. `places` has the place of every key that the user wrote under its dotted spec path
    (`parallelism`, `training.method`, `training.method.rank`), and of each item of a list under its number
    (`training.method.targets.0`); a value set on the command line has the
    path `--set` and the span of the assignment's text.
    """

    path: str
    spec: Spec
    places: Mapping[str, Place]
    targets: tuple[TargetBlock, ...]
    variants: tuple[Variant, ...]
    assertions: tuple[Assert, ...]
    imports: tuple[Import, ...]
