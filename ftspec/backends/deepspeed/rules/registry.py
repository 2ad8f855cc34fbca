"""The registry of DeepSpeed's rules: a function under `@deepspeed_rule`, and nothing else needs to know of it."""

from collections.abc import Callable, Iterable

from ftspec.backends.base import TargetOptions
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule, declare
from ftspec.plan.model import Plan

DeepSpeedRule = Callable[[Rule, Plan, TargetOptions], Iterable[Finding]]

_RULES: list[tuple[Rule, DeepSpeedRule]] = []

TARGET = "target deepspeed {}\n"
"""What the examples of these rules end with."""


def deepspeed_rule(
    code: str, severity: Severity, title: str, explanation: str, *, bad: str, good: str
) -> Callable[[DeepSpeedRule], DeepSpeedRule]:
    """Declare a rule over a plan and its `target deepspeed`. The function yields findings of its own declaration."""

    def register(function: DeepSpeedRule) -> DeepSpeedRule:
        _RULES.append((declare(code, severity, title, explanation, bad, good), function))
        return function

    return register


def rule_findings(plan: Plan, target: TargetOptions) -> list[Finding]:
    """What all registered rules find, in the order of their declaration."""
    return [finding for rule, function in _RULES for finding in function(rule, plan, target)]
