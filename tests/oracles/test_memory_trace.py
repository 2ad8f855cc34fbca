"""The estimate against steps of real transformers models, traced here and now."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest

from ftspec.memory.estimate import estimate_memory
from tests.memory.plans import measured_plan
from tests.oracles.step_trace import GOLDEN, Case

ROOT = Path(__file__).resolve().parents[2]

CASES = [
    Case("meta-llama/Llama-3.2-1B", 3, 384, 3, activation_checkpointing=False, attention="sdpa", dtype="bf16"),
    Case("meta-llama/Llama-3.2-1B", 2, 768, 1, activation_checkpointing=True, attention="sdpa", dtype="fp32"),
    Case("Qwen/Qwen2.5-1.5B", 2, 640, 2, activation_checkpointing=True, attention="eager", dtype="bf16"),
    Case("mistralai/Mistral-7B-v0.3", 2, 2048, 1, activation_checkpointing=False, attention="eager", dtype="fp32"),
    Case("mistralai/Mixtral-8x7B-v0.1", 1, 512, 2, activation_checkpointing=False, attention="sdpa", dtype="bf16"),
]


KEPT = json.loads(GOLDEN.read_text())["rows"][0]
"""One of the traces that lie in `tests/memory/traces.json`."""


@cache
def peaks() -> list[dict[str, int]]:
    """The peaks of the cases and of the kept one, traced in a process of their own."""
    cases = [*map(asdict, CASES), {name: value for name, value in KEPT.items() if name != "peak"}]
    command = [sys.executable, "-m", "tests.oracles.trace_worker"]
    untraced = {name: value for name, value in os.environ.items() if "COV" not in name}
    done = subprocess.run(
        command, cwd=ROOT, env=untraced, input=json.dumps(cases), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_of_a_real_model(case: Case) -> None:
    peak = peaks()[CASES.index(case)]
    (stage,) = estimate_memory(measured_plan(case.__dict__)).stages
    assert stage.allocated_peak_bytes == pytest.approx(peak["Total"], rel=1e-3)
    assert stage.terms["parameters"] == peak["Parameter"]
    assert stage.terms["optimizer_states"] == peak["Optstate"]


def test_the_kept_traces_are_what_is_traced_today() -> None:
    assert peaks()[-1]["Total"] == KEPT["peak"]["Total"]
