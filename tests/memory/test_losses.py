"""Chunked and fused losses against traces of real models (tests/oracles/loss_trace.py), and how losses compare."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftspec.memory.estimate import estimate_memory, stage_steps, terms_at
from ftspec.memory.logits import held_logits, loss_forward_logits
from ftspec.memory.numbers import power_of_two
from ftspec.memory.step.form import Form, Point
from ftspec.memory.step.operations import Program
from ftspec.memory.step.tape import Backward, Step, Value
from ftspec.plan.model import Plan
from ftspec.spec.model import Model, Parallelism, Training
from tests.memory.plans import frames_of, measured_plan, plan_of

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("loss_traces.json").read_text())["rows"]
Loss = Literal["standard", "chunked", "fused"]


def plan_of_row(row: dict[str, Any]) -> Plan:
    plan = measured_plan({name: value for name, value in row.items() if value or name != "vocab_size"})
    return replace(plan, training=replace(plan.training, loss=row["loss"]))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['dtype']}-{row['loss']}")
def test_the_peak_of_a_real_step(row: dict[str, Any]) -> None:
    (stage,) = estimate_memory(plan_of_row(row)).stages
    assert stage.allocated_peak_bytes == pytest.approx(row["peak"], rel=1e-3)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['dtype']}-{row['loss']}")
def test_the_end_of_its_forward_pass(row: dict[str, Any]) -> None:
    """The trace holds no logits of a step before."""
    plan = plan_of_row(row)
    (step,), (frame,) = stage_steps(plan), frames_of(plan)
    end, _ = step.moments[0]
    expected = sum(terms_at(end, step.states, step.others).values()) - held_logits(frame)
    assert expected == pytest.approx(row["forward"], rel=1e-3)


def of_loss(loss: Loss, length: int = 4096, micro_batch: int = 1, model: str = "meta-llama/Llama-3.1-8B") -> Plan:
    training = Training(sequence_length=length, micro_batch_size=micro_batch, loss=loss)
    return plan_of(model=Model(from_=model, num_hidden_layers=2), training=training, parallelism=Parallelism())


def test_a_fused_loss_has_the_logits_of_a_chunk() -> None:
    """4,096 rows ÷ ⌈128,256 ÷ 4,096⌉ = 128 rows of logits; the input, its gradient and that of the weight; bf16."""
    (frame,) = frames_of(of_loss("fused"))
    hidden, weight, chunk = 4096 * 4096, 128256 * 4096, 128 * 128256
    assert loss_forward_logits(frame) == 2 * (2 * hidden + weight + chunk)
    assert held_logits(frame) == 0


def test_more_than_one_sequence_is_copied_in_chunks() -> None:
    one, two = (frames_of(of_loss("chunked", length, rows))[0] for length, rows in ((4096, 1), (2048, 2)))
    logits = 128256 * 4096
    assert loss_forward_logits(one) == logits * (2 + 2 + 4) + logits // 8 * 4
    assert loss_forward_logits(two) - loss_forward_logits(one) == 2 * logits


@given(
    st.sampled_from((1024, 4096, 6000)),
    st.integers(1, 4),
    st.sampled_from(("meta-llama/Llama-3.1-8B", "Qwen/Qwen2.5-0.5B", "google/gemma-2b")),
)
def test_cutting_a_loss_up_saves_memory(length: int, rows: int, model: str) -> None:
    standard, chunked, fused = (
        estimate_memory(of_loss(loss, length, rows, model)).peak_bytes for loss in ("standard", "chunked", "fused")
    )
    assert fused <= chunked <= standard


@given(st.integers(1, 2**40))
def test_powers_of_two_in_numbers_and_in_arrays(number: int) -> None:
    import numpy

    found = power_of_two(number)
    assert found // 2 < number <= found
    assert power_of_two(numpy.array([number, 2 * number])).tolist() == [found, 2 * found]  # type: ignore[arg-type]


def test_a_gradient_that_was_saved_is_handed_on() -> None:
    """Nothing is allocated: what was kept becomes the gradient."""
    one, program = Point(1, 1, 1, 1), Program(2)
    value = Value(Form(token=6), 2)
    loss = program.record((value,), Value(Form(), 4), (Value(Form(token=6), 2),), Step("take"))
    backward = Backward(program.nodes, keeps_gradients=True)
    assert max(moment.at(one).total for moment in backward.run(loss)) == 12
    assert backward.memory.temporary.at(one) == 12
    assert backward.memory.saved["activation"].at(one) == 0
