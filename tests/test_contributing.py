"""What CONTRIBUTING says of adding a rule and a backend is true."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """
from collections.abc import Iterator
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule, declared_rules
from ftspec.pipeline import check_text
from ftspec.plan.model import Plan
from ftspec.rules.registry import plan_rule
EXAMPLE
text = '''ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB"  gpus_per_node = 3 }
parallelism { tensor = 3 }
'''
assert "FT299" in declared_rules()
assert any(finding.code == "FT299" and finding.span.line == 4 for finding in check_text(text, "odd.ft").findings)
"""


def test_the_rule_of_the_guide_works() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    dedented = "\n".join(line.removeprefix("   ") for line in example.splitlines())
    subprocess.run([sys.executable, "-c", PROGRAM.replace("EXAMPLE", dedented)], check=True, cwd=ROOT)


def test_a_folder_is_a_backend() -> None:
    from ftspec.backends.registry import backend_names, find_backend

    for name in backend_names():
        backend = find_backend(name)
        assert backend is not None
        assert backend.name == name
