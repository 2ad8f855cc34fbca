"""DeepSpeed's own settings that change how much memory ZeRO takes, from `target deepspeed { raw { … } }`."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from ftspec.core.record import record
from ftspec.core.resources import json_beside
from ftspec.core.source import Place
from ftspec.plan.ledger import Ledger
from ftspec.plan.origin import Origin
from ftspec.spec.document import TargetBlock

_BLOCK = "zero"
_TARGET = "deepspeed"


@record
class ZeroSettings:
    """Sizes in elements. What is not said has DeepSpeed's own default (`zero_settings.json`, each with its source).

    `overlap_comm` is about stages 1 and 2: stage 3 overlaps unless it is told not to, and needs no buffer for it.
    `optimizer_…` and `param_…` are about what is offloaded.
    """

    contiguous_gradients: bool
    reduce_scatter: bool
    reduce_bucket_size: int
    overlap_comm: bool
    sub_group_size: int
    prefetch_bucket_size: int
    param_persistence_threshold: int
    max_live_parameters: int
    max_reuse_distance: int
    allgather_sequential: bool
    hpz_partition_size: int
    optimizer_pin_memory: bool
    optimizer_buffer_count: int
    optimizer_ratio: float
    param_pin_memory: bool
    param_buffer_count: int
    param_buffer_size: int
    param_max_in_cpu: int


@cache
def _rows() -> Mapping[str, Mapping[str, Any]]:
    rows: Mapping[str, Mapping[str, Any]] = json_beside(__file__, "zero_settings.json")["settings"]
    return rows


def setting_key(name: str) -> str:
    """The dotted key of DeepSpeed's file that a setting is read from."""
    key: str = _rows()[name]["key"]
    return key


def zero_setting_names() -> tuple[str, ...]:
    """The settings, as the plan calls them."""
    return tuple(each.name for each in fields(ZeroSettings))


def resolve_zero_settings(targets: Sequence[TargetBlock], ledger: Ledger) -> ZeroSettings:
    """The settings with nothing open. A value of the wrong kind is the backend's finding, and the default here."""
    block = next((each for each in targets if each.name == _TARGET), None)
    raw = block.raw if block else {}
    places = block.places if block else {}
    return ZeroSettings(**{name: _resolved(name, raw, places, ledger) for name in zero_setting_names()})


def _resolved(name: str, raw: Mapping[str, Any], places: Mapping[str, Place], ledger: Ledger) -> Any:
    row, path = _rows()[name], f"{_BLOCK}.{name}"
    for key in _spellings(row["key"]):
        written = _taken(_at(raw, key), row["default"])
        if written is not None:
            ledger.origins[path] = Origin("given", f"target.{_TARGET}.raw.{key}", places.get(f"raw.{key}"))
            return written
    ledger.origins[path] = Origin("default", "DeepSpeed's own")
    return row["default"]


def _spellings(key: str) -> tuple[str, ...]:
    """The key, and its spelling without `stage3_`, which DeepSpeed reads too (`alias` in its config.py)."""
    bare = key.replace(".stage3_", ".")
    return (key,) if bare == key else (key, bare)


def _at(values: Any, key: str) -> Any:
    for name in key.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _taken(written: Any, default: bool | int | float) -> bool | int | float | None:
    """A written value of the default's kind; a whole number may be written as a float (`5e8`)."""
    if isinstance(default, bool) or isinstance(written, bool):
        return written if isinstance(default, bool) and isinstance(written, bool) else None
    if not isinstance(written, int | float) or written < 0:
        return None
    if isinstance(default, float):
        return float(written)
    return int(written) if float(written).is_integer() else None
