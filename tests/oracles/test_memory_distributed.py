"""The estimate against distributed steps of real transformers models, traced here and now over a fake process group."""

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
from tests.oracles.distributed.case import Case
from tests.oracles.distributed.golden import GOLDEN

ROOT = Path(__file__).resolve().parents[2]
SMALL, QWEN = "meta-llama/Llama-3.2-1B", "Qwen/Qwen2.5-1.5B"
CASES = [
    Case(SMALL, 2, 768, 2, False, "sdpa", "fp32", data=32),
    Case(QWEN, 3, 640, 1, False, "sdpa", "bf16", data=4, reshards=False),
    Case(QWEN, 3, 640, 1, True, "sdpa", "bf16", data=4, accumulation=2),
    Case("mistralai/Mixtral-8x7B-v0.1", 1, 512, 1, True, "sdpa", "bf16", data=16),
    Case(QWEN, 2, 512, 2, False, "sdpa", "fp32", "lora", lora_rank=8, lora_targets="all", data=64),
    Case(SMALL, 3, 512, 1, False, "sdpa", "fp32", "partial", last_layers=1, data=8),
    Case(SMALL, 2, 2048, 1, False, "sdpa", "bf16", vocab_size=4096, tensor=4, sequence_parallel=True),
    Case(SMALL, 2, 1024, 1, True, "sdpa", "fp32", vocab_size=4096, tensor=2, data=2),
    Case(SMALL, 6, 1024, 1, False, "sdpa", "fp32", vocab_size=4096, data=2, pipeline=3, stage=1, accumulation=4),
    Case(SMALL, 2, 512, 1, False, "sdpa", "fp32", stack="ddp", data=4),
]
KEPT = json.loads(GOLDEN.read_text())["rows"][0]
"""One of the traces that lie in `tests/memory/distributed_traces.json`."""


@cache
def peaks() -> list[dict[str, int]]:
    """The peaks of the cases and of the kept one, traced in a process of their own."""
    cases = [*map(asdict, CASES), {name: value for name, value in KEPT.items() if name != "peak"}]
    untraced = {name: value for name, value in os.environ.items() if "COV" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "tests.oracles.distributed"],
        cwd=ROOT,
        env=untraced,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_of_a_rank(case: Case) -> None:
    peak = peaks()[CASES.index(case)]
    stage = estimate_memory(measured_plan(asdict(case))).stages[case.stage]
    assert stage.allocated_peak_bytes == pytest.approx(peak["Total"], rel=1e-3)
    assert stage.terms["parameters"] == peak.get("Sharded Param", peak.get("Parameter"))


def test_the_kept_traces_are_what_is_traced_today() -> None:
    assert peaks()[-1]["Total"] == KEPT["peak"]["Total"]
