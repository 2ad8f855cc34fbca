"""The DeepSpeed backend: what it checks, and the one file that it writes."""

from collections.abc import Mapping
from typing import Any

from ftspec.backends.base import Artefact, TargetOptions
from ftspec.backends.deepspeed import raw_codes
from ftspec.backends.deepspeed.carried import ELSEWHERE, MAPPED, UNSUPPORTED
from ftspec.backends.deepspeed.options import DeepSpeedOptions
from ftspec.backends.deepspeed.rules import carrying, layout, offload, optimizer, precision
from ftspec.backends.deepspeed.rules.registry import rule_findings
from ftspec.core.finding import Finding, Severity
from ftspec.plan.model import Plan, Stack

CODES = (raw_codes, precision, offload, optimizer, layout, carrying)
"""The modules that declare codes, in the order of their codes; importing them registers their rules."""

ABOUT_THE_FILE = frozenset({"FT522", "FT540"})
"""Errors about what the file must say: a path, a number of steps."""


class DeepSpeedBackend:
    """`target deepspeed`: `deepspeed/ds_config.json`, for DeepSpeed alone and for Megatron-DeepSpeed."""

    name = "deepspeed"
    stacks: tuple[Stack, ...] = ("deepspeed", "megatron_deepspeed")
    options: type[Any] = DeepSpeedOptions
    mapped: Mapping[str, str] = MAPPED
    elsewhere: Mapping[str, str] = ELSEWHERE
    unsupported: Mapping[str, str] = UNSUPPORTED

    def check(self, plan: Plan, target: TargetOptions) -> list[Finding]:
        """What DeepSpeed refuses about the plan, or takes and does not do, and what is wrong with the raw keys."""
        findings = rule_findings(plan, target)
        if target.raw:
            from ftspec.backends.deepspeed.raw import raw_findings

            findings += raw_findings(plan, target)
        return findings

    def refuses(self, plan: Plan) -> list[Finding]:
        """The errors of its rules, but for those about the file."""
        target = TargetOptions(DeepSpeedOptions(), {}, {}, plan.where("training.stack"))
        found = rule_findings(plan, target)
        return [each for each in found if each.severity is Severity.ERROR and each.code not in ABOUT_THE_FILE]

    def compile(self, plan: Plan, target: TargetOptions) -> list[Artefact]:
        """The configuration file. Raises ValueError if it breaks DeepSpeed's schema (a fault of ours)."""
        from ftspec.backends.deepspeed.emit import emit

        return [emit(plan, target)]
