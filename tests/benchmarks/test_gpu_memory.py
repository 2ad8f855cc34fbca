"""The GPU benchmark without a GPU: its cases, its models, a step on the CPU, and the comparison of recorded rows."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from benchmarks import gpu_memory
from benchmarks.gpu.case import LLAMA_1B, SMALLEST, Method, cases, plan
from benchmarks.gpu.compare import case_of, compare, summary
from benchmarks.gpu.measure import measured, train
from benchmarks.gpu.meter import Reading
from benchmarks.gpu.models import build, optimizer
from benchmarks.memory_rows import gpu_rows
from ftspec.memory.estimate import estimate_memory
from ftspec.spec.optimizers import OptimizerName


class StillMeter:
    """A meter of a device that has no counters."""

    device = "cpu"

    def reset(self) -> None:
        """Nothing to forget."""

    def read(self) -> Reading:
        """Numbers that can be told apart."""
        return Reading(1, 2, 3)


def test_every_case_is_a_plan_with_an_estimate() -> None:
    chosen = cases()
    assert len(chosen) == len(set(chosen)) >= 60
    for name, count in (("method", 4), ("optimizer", 6), ("attention", 3), ("dtype", 2), ("fused", 2)):
        assert len({getattr(case, name) for case in chosen}) == count
    assert all(estimate_memory(plan(case)).peak_bytes < 80 * 2**30 for case in chosen)


@pytest.mark.parametrize(
    ("method", "checkpointing"), [("full", False), ("lora", True), ("partial", True), ("qlora", False)]
)
def test_a_model_is_trained_as_its_plan_says(method: Method, checkpointing: bool) -> None:
    """The same parameters are trained that the estimate counts: their gradients and moments follow."""
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
    case = replace(SMALLEST, method=method, activation_checkpointing=checkpointing)
    model = build(case, "cpu")
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    (stage,) = estimate_memory(plan(case)).stages
    width = 4 if method in ("lora", "qlora") else 2
    assert stage.terms["optimizer_states"] == pytest.approx(2 * width * trained, rel=0.01)
    assert 0 < train(case, "cpu", steps=2) < 20


@pytest.mark.parametrize("kind", ["adamw", "sgd", "adafactor", "muon", "lion", "adamw_8bit"])
def test_every_optimizer_steps(kind: OptimizerName) -> None:
    if kind in ("lion", "adamw_8bit"):
        pytest.importorskip("bitsandbytes")
    fused = kind != "sgd"  # torch 2.13's fused SGD leaves 16-bit weights on a CPU as they are
    case = replace(SMALLEST, optimizer=kind, fused=fused)
    model = build(case, "cpu")
    weight = model.get_output_embeddings().weight
    before = weight.detach().clone()
    weight.grad = weight.detach().float().sign().to(weight.dtype) * 100
    optimizer(case, model).step()
    assert (weight != before).any()


def test_a_row_says_what_was_read_or_why_nothing_was() -> None:
    row = measured(SMALLEST, StillMeter())
    assert (row["allocated_bytes"], row["reserved_bytes"], row["process_bytes"]) == (1, 2, 3)
    assert case_of(row) == SMALLEST
    with mock.patch.dict("sys.modules", {"peft": None}):
        skipped = measured(replace(SMALLEST, method="lora"), StillMeter())
    assert "not installed" in skipped["skipped"]
    assert "allocated_bytes" not in skipped


def recorded() -> Iterator[dict[str, Any]]:
    """Rows as they would be if the estimate were right, if it were far too high, and one that was not measured."""
    estimate = estimate_memory(plan(LLAMA_1B))
    tensors, process = estimate.fullest.allocated_peak_bytes, estimate.peak_bytes
    yield {**asdict(LLAMA_1B), "allocated_bytes": tensors, "reserved_bytes": process, "process_bytes": process}
    yield {
        **asdict(LLAMA_1B),
        "allocated_bytes": tensors / 1.1,
        "reserved_bytes": process,
        "process_bytes": process / 2,
    }
    yield {**asdict(LLAMA_1B), "skipped": "out of memory"}


def test_recorded_rows_are_compared() -> None:
    right, high = compare(list(recorded()))
    assert (right.allocated, right.process, right.covered) == (0, 0, True)
    assert (high.allocated, high.process) == (pytest.approx(0.1), pytest.approx(1))
    assert not high.covered
    assert summary([right, high]).startswith("2 cases: tensors 5.00% off at the median, 10.00% at worst")
    assert summary([]) == "nothing was measured"


def test_recorded_rows_judge_the_peers_too(tmp_path: Path) -> None:
    path = tmp_path / "gpu_memory.json"
    path.write_text(json.dumps({"card": "A card", "rows": list(recorded())}))
    rows = list(gpu_rows(path))
    assert [row.judge for row in rows] == ["steps on A card"] * 2


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with mock.patch("torch.cuda.is_available", return_value=False):
        gpu_memory.main([])
    assert "No CUDA GPU here" in capsys.readouterr().out
