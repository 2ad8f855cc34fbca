"""Raw flags that change how much memory a step takes, though the estimate does not take them in."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.examples import megatron_job
from ftspec.core.finding import Finding, Severity
from ftspec.core.resources import json_beside
from ftspec.core.rule import declare

UNESTIMATED = declare(
    "FT651",
    Severity.NOTE,
    "the memory estimate leaves out what a raw flag changes",
    "The flag is written as it stands, and the memory of a step is estimated as if it were not there.",
    megatron_job(target="raw { hidden_dropout = 0.1 }"),
    megatron_job(target="raw { hidden_dropout = 0.0 }"),
)


@cache
def unestimated_flags() -> Mapping[str, Mapping[str, Any]]:
    """Flag → with which values it changes nothing, what it does to memory, and where that is read."""
    rows: Mapping[str, Mapping[str, Any]] = json_beside(__file__, "unestimated.json")["flags"]
    return rows


def estimate_leaves_out(target: TargetOptions, key: str, flag: str, value: Any) -> Iterator[Finding]:
    """A note for such a flag, unless its value changes nothing."""
    row = unestimated_flags().get(flag)
    if row and not _changes_nothing(row["unless"], value):
        yield UNESTIMATED.finding(
            f"the memory estimate does not take in {flag}: {row['effect']}",
            target.where(f"raw.{key}"),
            f"measure a step, or leave {key} out",
        )


def _changes_nothing(values: list[Any], value: Any) -> bool:
    written = list(value) if isinstance(value, list | tuple) else [value]
    return all(each == written[0] for each in written) and written[0] in values
