"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

from ftspec.pipeline import check_text

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\n(.*?)```", README, re.DOTALL)


def test_the_spec_checks_clean() -> None:
    (spec,) = [block for block in BLOCKS if block.startswith("ft 1")]
    assert check_text(spec, "job.ft").exit_code == 0


def test_the_findings_are_real() -> None:
    (shown,) = [block for block in BLOCKS if block.startswith("error[")]
    command = [sys.executable, "-m", "ftspec", "check", "examples/deepseek-r1-70b-as-published.ft"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stderr
    for finding in shown.strip().split("\n\n"):
        assert finding in printed


def test_every_command_exists() -> None:
    (commands,) = [block for block in BLOCKS if block.startswith("ftspec init")]
    for line in commands.splitlines():
        command = [sys.executable, "-m", "ftspec", line.split()[1], "--help"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_every_link_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / link).exists(), link
