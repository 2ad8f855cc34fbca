"""Each rule of this target through the whole pipeline: its bad example is found, its good one is clean."""

import pytest

from ftspec.backends.megatron import BACKEND  # noqa: F401  # declares the rules
from ftspec.core.finding import Severity
from ftspec.core.rule import Rule, declared_rules
from ftspec.pipeline import check_text

RULES = [rule for code, rule in declared_rules().items() if "FT600" <= code <= "FT699"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_bad_example(rule: Rule) -> None:
    found = [finding for finding in check_text(rule.bad, "bad.ft").findings if finding.code == rule.code]
    assert found
    for finding in found:
        assert finding.severity is rule.severity
        assert finding.help
        assert finding.span.line > 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_good_example(rule: Rule) -> None:
    findings = check_text(rule.good, "good.ft").findings
    assert not [finding for finding in findings if finding.severity is Severity.ERROR or finding.code == rule.code]
