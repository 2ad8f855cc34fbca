"""Raw keys against the plan: what says something else, and what this plan does not use."""

from collections.abc import Iterator, Mapping
from typing import Any

from ftspec.backends.base import TargetOptions
from ftspec.backends.deepspeed.carried import owners, spec_path
from ftspec.backends.deepspeed.emit import plan_settings
from ftspec.backends.deepspeed.raw_codes import CONTRADICTION, NO_EFFECT, WRONG_VALUE
from ftspec.backends.deepspeed.schema import subschema
from ftspec.backends.deepspeed.settings import flattened
from ftspec.core.finding import Finding
from ftspec.plan.fields import value_at
from ftspec.plan.model import Plan
from ftspec.rules.wording import either

_NOTHING = (False, "none", "auto")
_ZERO = "zero_optimization"
_HPZ = f"{_ZERO}.zero_hpz_partition_size"
_STAGE_3 = frozenset(
    {
        "sub_group_size",
        "zero_hpz_partition_size",
        "zero_quantized_weights",
        "zero_quantized_nontrainable_weights",
        "zero_quantized_gradients",
    }
)
"""What only DeepSpeedZeroOptimizer_Stage3 is given, beside the keys that begin with `stage3_`
(deepspeed/runtime/engine.py, `_configure_zero_optimizer`)."""


def shown(value: Any) -> str:
    """A raw value as a message has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value[:40]}"'
    return "a block" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else str(value)


def contradictions_by_key(plan: Plan, target: TargetOptions) -> Iterator[tuple[str, Finding]]:
    """Raw keys that say something else than the plan, each with its finding."""
    emitted = {setting.key: setting.value for setting in plan_settings(plan, target.options)}
    for key, value in flattened(target.raw).items():
        owner = owners().get(key)
        if owner is None or _agrees(plan, key, value, owner, emitted):
            continue
        field = spec_path(owner)
        here = f", and the plan has {shown(emitted[key])}" if key in emitted else ""
        message = f"{key} = {shown(value)} is decided by {field}{here}"
        yield key, CONTRADICTION.finding(message, target.where(f"raw.{key}"), f"leave it out of raw and write {field}")


def _agrees(plan: Plan, key: str, value: Any, owner: str, emitted: Mapping[str, Any]) -> bool:
    """Whether a raw key says what the file says anyway, or, where the file has no such key, what the plan says."""
    if key in emitted:
        return bool(emitted[key] == value)
    return value in _NOTHING or bool(value == value_at(plan, owner))


def without_effect(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Raw keys of a part that the plan leaves off, and a partition that the GPUs do not divide into."""
    for key, value in flattened(target.raw).items():
        schema, part = subschema(tuple(key.split("."))), _unused_part(plan, key)
        if part is not None and schema and key not in owners() and value not in (schema.get("default"), {}):
            message = f"{key} = {shown(value)} has no effect: {part[0]}"
            yield NO_EFFECT.finding(message, target.where(f"raw.{key}"), f"leave it out, or write {part[1]}")
    yield from _uneven_partition(plan, target)


def _unused_part(plan: Plan, key: str) -> tuple[str, str] | None:
    """Why DeepSpeed does not use a key in this plan, and what would make it; None if it does."""
    section, _, name = key.partition(".")
    precision, layout = plan.precision, plan.parallelism
    if section in ("fp16", "bf16", "bfloat16") and precision.parameters != section.replace("bfloat", "bf"):
        kind = section.replace("bfloat", "bf")
        return f"the plan holds its parameters in {precision.parameters}", f"precision.compute = {kind}"
    if section == "pipeline" and layout.pipeline == 1:
        return "the plan has no pipeline", "parallelism.pipeline = 2 or more"
    if section == _ZERO and layout.zero_stage < 3 and _belongs_to_stage_3(name):
        return f"the plan has zero_stage = {layout.zero_stage}", "parallelism.zero_stage = 3"
    return None


def _belongs_to_stage_3(name: str) -> bool:
    """Whether only stage 3 reads a key of `zero_optimization`; some are also spelled without `stage3_`."""
    return name in _STAGE_3 or name.startswith("stage3_") or bool(subschema((_ZERO, f"stage3_{name}")))


def _uneven_partition(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """The secondary partition divides the world, or DeepSpeed stops when the engine starts
    (deepspeed/utils/groups.py, `_create_zero_param_parallel_group`)."""
    size, world = flattened(target.raw).get(_HPZ), plan.hardware.world_size
    if plan.parallelism.zero_stage < 3 or not isinstance(size, int) or isinstance(size, bool) or size < 2:
        return
    if size < world and world % size:
        divisors = [count for count in range(2, plan.hardware.gpus_per_node + 1) if world % count == 0]
        message = f"{_HPZ} = {size} does not divide the {world} GPUs, and DeepSpeed stops when the engine starts"
        help = f"write {either(divisors)}" if divisors else "leave it out"
        yield WRONG_VALUE.finding(message, target.where(f"raw.{_HPZ}"), help)
