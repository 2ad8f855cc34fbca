"""What the Hydra target refuses: about its own block, and strings that a config cannot hold."""

from collections.abc import Iterator
from typing import Any

from ftspec.backends.base import TargetOptions
from ftspec.backends.hydra.codes import (
    BAD_INTERPOLATION,
    LOCAL_NEEDS_ONE_GPU,
    MISSING_MARK,
    RAW_KEY_TAKEN,
    UNKNOWN_HYDRA_SETTING,
)
from ftspec.backends.hydra.options import HydraOptions, Local
from ftspec.backends.hydra.raw import GROUPS, OWN_KEYS, plain_raw, raw_strings
from ftspec.core.finding import Finding
from ftspec.core.source import Span
from ftspec.core.suggest import nearest
from ftspec.plan.model import Plan

_MISSING = "???"


def check_target(plan: Plan, target: TargetOptions) -> list[Finding]:
    """All findings of the target."""
    options: HydraOptions = target.options
    findings = [*_missing_marks(plan, target)]
    if isinstance(options.launcher, Local) and plan.hardware.world_size > 1:
        message = f"launcher local starts one process, and the job runs on {plan.hardware.world_size} GPUs"
        findings.append(
            LOCAL_NEEDS_ONE_GPU.finding(
                message, target.where("launcher"), "write launcher = torchrun, or launcher = slurm { … }"
            )
        )
    for key, value in target.raw.items():
        findings += _raw_key(key, target)
        if key == "hydra":
            findings += _hydra_settings(value, target)
        findings += [
            finding for path, text in raw_strings(value, f"raw.{key}") for finding in _interpolation(path, text, target)
        ]
    return findings


def _missing_marks(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    options: HydraOptions = target.options
    strings: list[tuple[str, Any, Span]] = [("the job's name", plan.name, plan.where("name"))]
    strings += [("script", options.script, target.where("script"))]
    strings += [("an argument", text, target.where("arguments")) for text in options.arguments or ()]
    for name in ("host", "partition", "account", "qos"):
        strings.append((name, getattr(options.launcher, name, None), target.where(f"launcher.{name}")))
    for what, text, span in strings:
        if text == _MISSING:
            yield MISSING_MARK.finding(
                f"{what} is `{_MISSING}`, which OmegaConf reads as a missing value", span, "write another text"
            )


def _raw_key(key: str, target: TargetOptions) -> list[Finding]:
    where = target.where(f"raw.{key}")
    if key == "defaults":
        message = "`defaults` is the list that selects the config groups, and ftspec writes it"
        return [
            RAW_KEY_TAKEN.finding(
                message, where, "select on the command line instead: `hydra/launcher=joblib`, `model=…`"
            )
        ]
    if key not in OWN_KEYS:
        return []
    what = "a config group" if key in GROUPS else "a key"
    return [
        RAW_KEY_TAKEN.finding(
            f"`{key}` is {what} of the tree",
            where,
            f"write the setting in the spec, or under another key, such as `my_{key}`",
        )
    ]


def _interpolation(path: str, text: str, target: TargetOptions) -> list[Finding]:
    if "${" not in text:
        return []
    from omegaconf.errors import GrammarParseError
    from omegaconf.grammar_parser import parse

    try:
        parse(text)
    except GrammarParseError as error:
        problem = str(error).splitlines()[0]
        help = "close the interpolation with `}`, or write `\\${` for a literal `${`"
        return [
            BAD_INTERPOLATION.finding(f"OmegaConf cannot read the string `{text}`: {problem}", target.where(path), help)
        ]
    return []


def _hydra_settings(settings: Any, target: TargetOptions) -> list[Finding]:
    """Hydra's own judgement of `raw { hydra { … } }`."""
    from hydra.conf import HydraConf
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    span = target.where("raw.hydra")
    if not isinstance(settings, dict):
        return [
            UNKNOWN_HYDRA_SETTING.finding("`hydra` is a block of settings", span, 'write hydra { run { dir = "out" } }')
        ]
    try:
        OmegaConf.merge(OmegaConf.structured(HydraConf), OmegaConf.create(plain_raw(settings)))
    except OmegaConfBaseException as error:
        path = f"hydra.{error.full_key}" if error.full_key else "hydra"
        return [
            UNKNOWN_HYDRA_SETTING.finding(
                f"Hydra refuses `{path}`: {_reason(error)}", target.where(f"raw.{path}"), _near(path)
            )
        ]
    return []


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0]


def _near(path: str) -> str:
    """The nearest setting beside an unknown one."""
    from hydra.conf import HydraConf
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    parent, _, key = path.removeprefix("hydra.").rpartition(".")
    schema = OmegaConf.structured(HydraConf)
    try:
        node = OmegaConf.select(schema, parent) if parent else schema
    except OmegaConfBaseException:
        node = None
    known = [str(each) for each in node] if node is not None else []
    meant = nearest(key, known)
    return (
        f"did you mean `{meant}`?"
        if meant and meant != key
        else "see `python app.py --info defaults` and Hydra's reference for its settings"
    )
