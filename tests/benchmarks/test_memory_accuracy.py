"""The comparison with other estimators: each peer is asked what was meant, and its answer is read right."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import memory_accuracy
from benchmarks.memory_accuracy import RESULTS, compare, errors_of, results
from benchmarks.memory_rows import TRACES, gpu_rows, traced_rows
from benchmarks.peers.accelerate import ACCELERATE
from benchmarks.peers.deepspeed import DEEPSPEED
from benchmarks.peers.llm_analysis import LLM_ANALYSIS
from benchmarks.peers.megatron import MEGABYTE, MEGATRON, is_expressible
from benchmarks.peers.own import OWN
from benchmarks.peers.tool import Asked, Figures, Tool
from ftspec.plan.model import Plan
from ftspec.spec.methods import Lora
from ftspec.spec.model import Checkpointing, Model, Parallelism, Precision, Training
from tests.memory.plans import plan_of

LLAMA_1B = Model(from_="meta-llama/Llama-3.2-1B")
MIXED = Precision(compute="bf16", parameters="fp32")
ROWS = list(traced_rows(TRACES / "traces.json", "kept traces"))


def figures(tool: Tool, *plans: Plan) -> list[Figures]:
    found = tool.estimate([Asked(plan) for plan in plans])
    return [each for each in found if each is not None]


def test_ftspec_is_asked_for_what_was_traced() -> None:
    own = OWN.estimate([Asked(row.plan) for row in ROWS])
    errors = errors_of(ROWS, own, states=False)
    assert statistics.median(errors) < 1e-4
    assert errors[-1] < 0.03
    assert errors_of(ROWS, own, states=True)[-1] < 1e-5


def test_accelerate_says_sixteen_bytes_a_parameter() -> None:
    plan = plan_of(model=LLAMA_1B, precision=MIXED)
    (found,) = figures(ACCELERATE, plan)
    assert found.states == pytest.approx(16 * plan.model.parameters, rel=1e-6)


def test_deepspeed_s_figure_is_its_formula() -> None:
    """18 bytes a parameter over the ranks, and 4 bytes for each weight of the largest layer, here the embedding."""
    plan = plan_of("fsdp2", model=LLAMA_1B, gpus=16, precision=MIXED)
    (found,) = figures(DEEPSPEED, plan)
    assert found.states == 18 * plan.model.parameters // 16
    assert found.total - found.states == 4 * plan.model.shape.vocab_size * plan.model.shape.hidden_size


def test_llm_analysis_counts_a_gated_model_s_parameters() -> None:
    """The width that it is given makes its two matrices as large as the three; 18 bytes a parameter."""
    pytest.importorskip("llm_analysis")
    plan = plan_of(model=LLAMA_1B, precision=MIXED)
    (found,) = figures(LLM_ANALYSIS, plan)
    assert found.states == pytest.approx(18 * plan.model.parameters, rel=1e-6)
    narrow_precision = Precision(compute="bf16", parameters="bf16", master_parameters="none")
    (narrow,) = figures(LLM_ANALYSIS, plan_of(model=LLAMA_1B, precision=narrow_precision))
    assert narrow.states == pytest.approx(8 * plan.model.parameters, rel=1e-6)


def test_megatron_s_report_is_read_right() -> None:
    """Its figures for a Llama of 70B on 128 GPUs: 19,497 MB and 10,256 MB with four micro-batches in flight."""
    layout = Parallelism(tensor=8, pipeline=4, data=4, sequence_parallel=True, zero_stage=1, distributed_optimizer=True)
    training = Training(
        sequence_length=4096,
        micro_batch_size=1,
        gradient_accumulation_steps=32,
        activation_checkpointing=Checkpointing("selective"),
    )
    plan = plan_of(
        "megatron",
        model=Model(from_="meta-llama/Llama-3.1-70B"),
        gpus=128,
        precision=Precision(compute="bf16"),
        training=training,
        parallelism=layout,
    )
    (found,) = figures(MEGATRON, plan)
    assert found.states / MEGABYTE == pytest.approx(19_497, abs=1)
    assert (found.total - found.states) / MEGABYTE == pytest.approx(10_256, abs=1)


def test_what_no_peer_can_express_is_not_covered() -> None:
    adapters = plan_of(model=LLAMA_1B, training=Training(method=Lora(rank=8)))
    for tool in (ACCELERATE, DEEPSPEED, MEGATRON):
        assert tool.estimate([Asked(adapters)]) == [None]
    pytest.importorskip("llm_analysis")
    assert LLM_ANALYSIS.estimate([Asked(adapters)]) == [None]


def test_megatron_s_report_has_no_context_groups() -> None:
    layouts = (Parallelism(tensor=2), Parallelism(tensor=2, context=2))
    plans = [plan_of("megatron", model=LLAMA_1B, gpus=8, parallelism=layout) for layout in layouts]
    assert [is_expressible(plan) for plan in plans] == [True, False]


def test_errors_are_over_covered_rows_only() -> None:
    rows = [replace(ROWS[0], peak_bytes=100, states_bytes=states) for states in (50, None, 50)]
    found = list(compare(rows, {"one": [Figures(110, 50), None, Figures(80, 75)]}))
    peaks, states = found
    assert (peaks.rows, peaks.covered, peaks.median, peaks.worst) == (3, 2, 0.15, 0.2)
    assert (states.judge, states.rows, states.covered, states.worst) == ("kept traces, states", 2, 2, 0.5)


def test_a_tool_that_is_missing_is_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    def missing(_: Sequence[Asked]) -> list[Figures | None]:
        raise ImportError("no such package")

    found = results(ROWS[:2], (OWN, Tool("absent", "absent", "nothing", missing)))
    assert {row["tool"] for row in found["rows"]} == {"ftspec"}
    assert "absent is left out" in capsys.readouterr().err


def test_what_is_written_is_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without reference data the rows that are kept here judge alone; the same twice."""
    monkeypatch.setattr(memory_accuracy, "TOOLS", (OWN, DEEPSPEED))
    monkeypatch.setattr(memory_accuracy, "RESULTS", tmp_path / "results.json")
    memory_accuracy.main(["--json", "--write", "--reference", str(tmp_path)])
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "results.json").read_text()) == printed
    assert {row["tool"] for row in printed["rows"]} == {"ftspec", "DeepSpeed"}
    memory_accuracy.main(["--reference", str(tmp_path)])
    table = capsys.readouterr().out
    for row in printed["rows"]:
        assert row["judge"] in table
        assert row["median"] is None or f"{row['median']:.2%}" in table


def test_nothing_measured_on_a_gpu_is_no_row() -> None:
    assert list(gpu_rows(TRACES / "no-such-file.json")) == []


def test_what_is_committed_shows_what_the_docs_say() -> None:
    """Of the peaks, no tool is nearer than ftspec at the median of any group; only states are a tie."""
    rows = json.loads(RESULTS.read_text())["rows"]
    medians: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows:
        if row["median"] is not None:
            medians.setdefault((row["judge"], row["stack"], row["method"]), {})[row["tool"]] = row["median"]
    assert len(medians) >= 6
    for group, each in medians.items():
        assert each["ftspec"] <= min(each.values()) + 1e-9, group
