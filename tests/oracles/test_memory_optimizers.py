"""Real optimizers, here and now: on models of shapes alone, on sharded parameters, and DeepSpeed's Muon."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ftspec.memory.optimizers.muon import newton_schulz_of_deepspeed, newton_schulz_on_shards
from tests.memory.test_optimizer_traces import ROWS, estimated, plan_of_step

ROOT = Path(__file__).resolve().parents[2]
LIVE = [
    row
    for row in ROWS
    if row["model"] == "Qwen/Qwen2.5-0.5B"
    and row["dtype"] == "bf16"
    and row["optimizer"] in ("adamw", "adam", "sgd", "adafactor", "muon")
]
"""Kept traces that take a second each, and no package beside torch and transformers."""


@cache
def run(module: str, given: str = "") -> Any:
    """The last line that a module prints, as JSON. In a process of its own: what was imported before may change what an
    optimizer keeps.
    """
    untraced = {name: value for name, value in os.environ.items() if "COV" not in name}
    command = [sys.executable, "-m", module, *("-" if given else "")]
    done = subprocess.run(command, cwd=ROOT, env=untraced, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def traced() -> list[dict[str, int]]:
    steps = [{name: value for name, value in row.items() if name != "traced"} for row in LIVE]
    return run("tests.oracles.optimizer_trace", json.dumps(steps))


@pytest.mark.parametrize("row", LIVE, ids=lambda row: f"{row['optimizer']}-{row['fused']}-{row['momentum']}")
def test_an_optimizer_keeps_and_makes_what_the_real_one_does(row: dict[str, Any]) -> None:
    found = traced()[LIVE.index(row)]
    assert found == row["traced"]
    assert estimated(plan_of_step(row)) == found


def test_every_optimizer_is_traced() -> None:
    assert {row["optimizer"] for row in LIVE} == {"adamw", "adam", "sgd", "adafactor", "muon"}


def test_newton_schulz_on_sharded_matrices() -> None:
    found = run("tests.oracles.muon_trace")
    for rows, columns, width, made in found["on_shards"]:
        assert newton_schulz_on_shards(rows, columns, found["ranks"], width) == made


def test_newton_schulz_in_deepspeed() -> None:
    """The trace has a byte more: whether everything is finite."""
    for rows, columns, width, made in run("tests.oracles.muon_trace")["of_deepspeed"]:
        assert newton_schulz_of_deepspeed(rows, columns, width) == made - 1


def test_which_optimizers_take_sharded_parameters() -> None:
    """FT356 says that Adafactor does not; states of the others are as large as the rank's part of 64 × 32."""
    found = run("tests.oracles.sharded_optimizers")
    part = 64 * 32 // 4
    assert found["adamw"] == {"step": 1, "exp_avg": part, "exp_avg_sq": part}
    assert found["sgd"] == found["muon"] == {"momentum_buffer": part}
    assert {name for name, states in found.items() if isinstance(states, str)} == {
        name for name in found if name.startswith("adafactor")
    }
