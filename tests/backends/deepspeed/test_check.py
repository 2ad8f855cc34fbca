"""Checking is cheap, and each rule says what its own examples say."""

import subprocess
import sys

import pytest

import ftspec.backends.deepspeed
from ftspec.core.finding import Severity
from ftspec.core.rule import Rule, declared_rules
from ftspec.pipeline import check_text

RULES = [rule for code, rule in declared_rules().items() if code.startswith("FT5")]
assert ftspec.backends.deepspeed


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.bad], ids=lambda rule: rule.code)
def test_the_bad_example_has_the_finding_and_the_good_one_no_error(rule: Rule) -> None:
    bad = check_text(rule.bad, "bad.ft").findings
    (finding,) = [each for each in bad if each.code == rule.code]
    assert finding.severity is rule.severity
    assert finding.help
    good = check_text(rule.good, "good.ft").findings
    assert [each for each in good if each.severity is Severity.ERROR or each.code == rule.code] == []


def test_a_check_without_raw_keys_reads_no_schema() -> None:
    program = """
import sys
from ftspec.pipeline import check_text
from ftspec.backends.deepspeed.schema import deepspeed_schema
text = open(0).read()
checked = check_text(text, "job.ft")
assert checked.document is not None
print("jsonschema" in sys.modules, deepspeed_schema.cache_info().currsize)
"""
    text = next(rule.good for rule in RULES if rule.code == "FT511")
    done = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "0"]
