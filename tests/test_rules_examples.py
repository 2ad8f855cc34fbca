"""Every declared code: its bad example is reported under that code, its good one has no error."""

import pytest

from ftspec.commands.explain import all_rules
from ftspec.core.finding import Severity
from ftspec.pipeline import check_text

RULES = list(all_rules().values())
WITH_BAD = [rule for rule in RULES if rule.bad]
WITH_GOOD = [rule for rule in RULES if rule.good]


@pytest.mark.parametrize("rule", WITH_BAD, ids=lambda rule: rule.code)
def test_bad_example_is_reported(rule) -> None:
    found = {finding.code: finding for finding in check_text(rule.bad, "bad.ft").findings}
    assert rule.code in found, f"reported instead: {sorted(found)}"
    assert found[rule.code].severity is rule.severity
    assert found[rule.code].help or rule.severity is Severity.NOTE, "a finding says what to write instead"


@pytest.mark.parametrize("rule", WITH_GOOD, ids=lambda rule: rule.code)
def test_good_example_has_no_error(rule) -> None:
    findings = check_text(rule.good, "good.ft").findings
    assert not [finding for finding in findings if finding.severity is Severity.ERROR or finding.code == rule.code]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_code_explains_itself(rule) -> None:
    assert rule.title[0].islower() or rule.title[0] in "`ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    assert len(rule.explanation) > 30
    assert not rule.title.endswith(".")


NOT_FROM_A_TEXT = {"FT111", "FT811", "FT861"}
"""Codes that no short text can show: about the text of `--set`, a config.json beside it, too many findings."""


def test_every_code_but_those_about_files_has_an_example() -> None:
    without = {rule.code for rule in RULES if not rule.bad} - NOT_FROM_A_TEXT
    assert all(code < "FT100" for code in without), without
