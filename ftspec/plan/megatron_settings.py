"""Megatron's own settings that change how much memory a step takes, from `target megatron { raw { … } }`."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Literal

from ftspec.core.record import record
from ftspec.core.resources import json_beside
from ftspec.core.source import Place
from ftspec.plan.ledger import Ledger
from ftspec.plan.origin import Origin
from ftspec.spec.document import TargetBlock

_BLOCK = "megatron"
_TARGET = "megatron"


@record
class MegatronSettings:
    """What is not said has the default of `megatron_settings.json`, each with its source.

    `first_stage_layers` and `last_stage_layers` are the layers of a pipeline's end stages, 0 where they have as many as
    the others. `expert_capacity_factor` is how many times its even share of the tokens an expert takes, 0 where it
    takes them all; with `pads_to_capacity` it always takes so many.
    """

    recompute_method: Literal["uniform", "block"]
    context_exchange: Literal["p2p", "all_gather", "a2a"]
    recompute_modules: tuple[str, ...]
    first_stage_layers: int
    last_stage_layers: int
    expert_capacity_factor: float
    pads_to_capacity: bool
    fuses_weight_gradients: bool
    makes_attention_mask: bool


@cache
def _rows() -> Mapping[str, Mapping[str, Any]]:
    rows: Mapping[str, Mapping[str, Any]] = json_beside(__file__, "megatron_settings.json")["settings"]
    return rows


def setting_flag(name: str) -> str:
    """The flag that a setting is read from."""
    flag: str = _rows()[name]["flag"]
    return flag


def megatron_setting_names() -> tuple[str, ...]:
    """The settings, as the plan calls them."""
    return tuple(each.name for each in fields(MegatronSettings))


def resolve_megatron_settings(targets: Sequence[TargetBlock], ledger: Ledger) -> MegatronSettings:
    """The settings with nothing open. A value of the wrong kind is the backend's finding, and the default here."""
    block = next((each for each in targets if each.name == _TARGET), None)
    raw = {_plain(key): key for key in block.raw} if block else {}
    values = {}
    for name in megatron_setting_names():
        key = raw.get(setting_flag(name))
        written = block.raw[key] if block and key is not None else None
        place = block.places.get(f"raw.{key}") if block else None
        values[name] = _resolved(name, written, key, place, ledger)
    return MegatronSettings(**values)


def end_stages(stack: str, settings: MegatronSettings) -> tuple[int, int]:
    """The layers of a pipeline's first and last stage, 0 where nothing is said: Megatron's flags, under Megatron."""
    return (settings.first_stage_layers, settings.last_stage_layers) if stack == "megatron" else (0, 0)


def _plain(key: str) -> str:
    return key.lstrip("-").replace("_", "-")


def _resolved(name: str, written: Any, key: str | None, place: Place | None, ledger: Ledger) -> Any:
    default, path = _rows()[name]["default"], f"{_BLOCK}.{name}"
    value = _taken(written, default, _rows()[name])
    if value is None:
        ledger.origins[path] = Origin("default", "Megatron's own, as ftspec runs it")
        return tuple(default) if isinstance(default, list) else default
    ledger.origins[path] = Origin("given", f"target.{_TARGET}.raw.{key}", place)
    return value


def _taken(written: Any, default: Any, row: Mapping[str, Any]) -> Any:
    """A written value of the default's kind; a flag that begins with `no-` switches off. Of values that layers have
    one by one the first is taken.
    """
    if isinstance(default, bool):
        switches_off = row["flag"].startswith("no-")
        return written != switches_off if isinstance(written, bool) else None
    if isinstance(default, list):
        texts = written if isinstance(written, list | tuple) else [written]
        return tuple(texts) if texts and all(isinstance(text, str) for text in texts) else None
    if isinstance(default, str):
        first = written[0] if isinstance(written, list | tuple) and written else written
        return first if first in row["choices"] else None
    if isinstance(written, bool) or not isinstance(written, int | float) or written < 0:
        return None
    if isinstance(default, float):
        return float(written)
    return written if isinstance(written, int) else None
