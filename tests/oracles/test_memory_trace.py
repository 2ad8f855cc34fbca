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
from tests.oracles.traces.case import Case
from tests.oracles.traces.golden import GOLDEN, compact

ROOT = Path(__file__).resolve().parents[2]

CASES = [
    Case("meta-llama/Llama-3.2-1B", 3, 384, 3, activation_checkpointing=False, attention="sdpa", dtype="bf16"),
    Case("meta-llama/Llama-3.2-1B", 2, 768, 1, activation_checkpointing=True, attention="sdpa", dtype="fp32"),
    Case("Qwen/Qwen2.5-1.5B", 2, 640, 2, activation_checkpointing=True, attention="eager", dtype="bf16"),
    Case("mistralai/Mistral-7B-v0.3", 2, 2048, 1, activation_checkpointing=False, attention="eager", dtype="fp32"),
    Case("mistralai/Mixtral-8x7B-v0.1", 1, 512, 2, activation_checkpointing=False, attention="sdpa", dtype="bf16"),
    Case(
        "microsoft/Phi-3-mini-4k-instruct", 2, 1536, 2, activation_checkpointing=False, attention="sdpa", dtype="bf16"
    ),
    Case("google/gemma-3-1b-pt", 2, 896, 1, activation_checkpointing=True, attention="sdpa", dtype="fp32"),
    Case("allenai/OLMo-2-0425-1B", 2, 640, 1, False, "sdpa", "bf16", "lora", lora_rank=8, lora_targets="all"),
    Case("Qwen/Qwen3-1.7B", 2, 1152, 1, True, "sdpa", "fp32", "qlora", lora_rank=16, lora_targets="attention"),
    Case("meta-llama/Llama-3.2-3B", 3, 768, 1, False, "sdpa", "bf16", "partial", last_layers=1),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.model}-{case.method}-{case.attention}-{case.dtype}")
def test_a_step_of_a_real_model(case: Case) -> None:
    peak = peaks()[CASES.index(case)]
    (stage,) = estimate_memory(measured_plan(compact(case))).stages
    assert stage.allocated_peak_bytes == pytest.approx(peak["Total"], rel=1e-3)
    held = peak["Parameter"] + (peak["Buffer"] if case.method == "qlora" else 0)
    assert stage.terms["parameters"] == pytest.approx(held, rel=1e-3 if case.method == "qlora" else 0)
    assert stage.terms["optimizer_states"] == peak["Optstate"]


def test_the_kept_traces_are_what_is_traced_today() -> None:
    assert peaks()[-1]["Total"] == KEPT["peak"]["Total"]
