"""The registry: a rule over a plan is a function under `@plan_rule`, and nothing else needs to know of it."""

from collections.abc import Callable, Iterable

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule, declare
from ftspec.plan.model import Plan

PlanRule = Callable[[Rule, Plan], Iterable[Finding]]

_PLAN_RULES: list[tuple[Rule, PlanRule]] = []


def plan_rule(
    code: str, severity: Severity, title: str, explanation: str, *, bad: str, good: str
) -> Callable[[PlanRule], PlanRule]:
    """Declare a rule over plans. The function gets its own declaration and a plan, and yields findings."""

    def register(function: PlanRule) -> PlanRule:
        _PLAN_RULES.append((declare(code, severity, title, explanation, bad, good), function))
        return function

    return register


def plan_findings(plan: Plan) -> list[Finding]:
    """What all registered rules find in a plan, in the order of their declaration."""
    return [finding for rule, function in _PLAN_RULES for finding in function(rule, plan)]
