"""The whole file: every section's settings in order, with the user's raw keys over them."""

import json
from collections.abc import Mapping
from typing import Any

from ftspec.backends.base import Artefact, TargetOptions
from ftspec.backends.deepspeed.layout import activation_settings, layout_settings
from ftspec.backends.deepspeed.optimizer import optimizer_settings, scheduler_settings
from ftspec.backends.deepspeed.options import DeepSpeedOptions
from ftspec.backends.deepspeed.precision import batch_settings, precision_settings
from ftspec.backends.deepspeed.schema import deepspeed_validator, with_value
from ftspec.backends.deepspeed.settings import Setting, flattened, nested
from ftspec.backends.deepspeed.zero import zero_settings
from ftspec.plan.model import Plan

PATH = "deepspeed/ds_config.json"
"""Where the file goes, under the output directory."""


def open_settings(plan: Plan, options: DeepSpeedOptions) -> list[Setting]:
    """What the plan says to DeepSpeed, in the order of the file; DeepSpeed's own defaults are not looked up."""
    return [
        *batch_settings(plan),
        *precision_settings(plan),
        *zero_settings(plan, options),
        *layout_settings(plan),
        *optimizer_settings(plan),
        *scheduler_settings(plan),
        *activation_settings(plan),
    ]


def plan_settings(plan: Plan, options: DeepSpeedOptions) -> list[Setting]:
    """What the plan says to DeepSpeed, in the order of the file, every value known."""
    return [with_value(setting) for setting in open_settings(plan, options)]


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the leaves of `over` in it, at every depth."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def emit(plan: Plan, target: TargetOptions) -> Artefact:
    """The file. Raises ValueError if it does not satisfy DeepSpeed's schema (a fault of ours)."""
    settings = plan_settings(plan, target.options)
    config = merged(nested(settings), target.raw)
    problem = next(iter(deepspeed_validator().iter_errors(config)), None)
    if problem is not None:
        raise ValueError(f"the DeepSpeed configuration is wrong at {problem.json_path}: {problem.message}")
    origins = {setting.key: setting.origin for setting in settings}
    origins.update(dict.fromkeys(flattened(target.raw), "raw"))
    return Artefact(PATH, json.dumps(config, indent=2, allow_nan=False) + "\n", origins)
