"""The emitted schedules, run by DeepSpeed's own classes, give the rates that the plan means."""

import json
import math
from typing import Any

import pytest
import torch
from deepspeed.runtime import lr_schedules

from ftspec.backends.deepspeed import BACKEND
from ftspec.spec.model import Scheduler, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.deepspeed.plans import plan_of, target_of

PEAK, TOTAL = 4e-4, 40


def rates(**schedule: Any) -> list[float]:
    """The rate at each iteration of the job."""
    training = Training(
        optimizer=OptimizerChoice(learning_rate=PEAK), learning_rate_scheduler=Scheduler(**schedule), steps=TOTAL
    )
    block = json.loads(BACKEND.compile(plan_of(training=training), target_of())[0].text)["scheduler"]
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = getattr(lr_schedules, block["type"])(optimizer, **block["params"])
    seen = []
    for _ in range(TOTAL + 1):
        scheduler.step()
        seen.append(scheduler.get_last_lr()[0])
    return seen


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine"])
def test_warm_up_is_linear_to_the_peak(kind: Any) -> None:
    seen = rates(kind=kind, warmup_steps=10)
    assert seen[:10] == pytest.approx([PEAK * step / 10 for step in range(10)])
    assert max(seen) == pytest.approx(PEAK, rel=0.01)


def test_constant_stays() -> None:
    assert rates(kind="constant", warmup_steps=10)[10:] == [PEAK] * 31


@pytest.mark.parametrize("floor", [0.0, 4e-5])
def test_linear_falls_to_its_floor(floor: float) -> None:
    seen = rates(kind="linear", warmup_steps=10, minimum_learning_rate=floor)
    assert seen[10:] == pytest.approx([floor + (PEAK - floor) * (TOTAL - step) / 30 for step in range(10, TOTAL + 1)])


def test_linear_also_rises_from_its_floor() -> None:
    """Which a note says: the real schedule has one parameter for both ends."""
    seen = rates(kind="linear", warmup_steps=10, minimum_learning_rate=4e-5)
    assert seen[:10] == pytest.approx([4e-5 + (PEAK - 4e-5) * step / 10 for step in range(10)])


@pytest.mark.parametrize("floor", [0.0, 4e-5])
def test_cosine_rises_from_0_whatever_its_floor(floor: float) -> None:
    seen = rates(kind="cosine", warmup_steps=10, minimum_learning_rate=floor)
    assert seen[:10] == pytest.approx([PEAK * step / 10 for step in range(10)])


@pytest.mark.parametrize("floor", [0.0, 4e-5])
def test_cosine_falls_to_its_floor(floor: float) -> None:
    seen = rates(kind="cosine", warmup_steps=10, minimum_learning_rate=floor)
    expected = [floor + (PEAK - floor) * (1 + math.cos(math.pi * step / 30)) / 2 for step in range(1, 31)]
    assert seen[10:40] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_without_warm_up_the_peak_is_reached_in_two_steps(kind: Any) -> None:
    seen = rates(kind=kind)
    assert seen[2] == pytest.approx(PEAK, rel=0.01)
    assert seen[-1] == pytest.approx(0.0, abs=1e-12)
