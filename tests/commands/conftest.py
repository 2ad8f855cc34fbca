"""Running the command line as a person does: a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

GOOD = """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8 }
training { activation_checkpointing = full  global_batch_size = 64  tokens = 1B }
parallelism { zero_stage = 3 }
target deepspeed {}
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ftspec(tmp_path: Path) -> Run:
    """`ftspec("check", "job.ft")` in an empty folder."""

    def run(*arguments: str, stdin: str | None = None, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "ftspec", *arguments],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A spec with nothing wrong."""
    path = tmp_path / "job.ft"
    path.write_text(GOOD)
    return path
