"""The estimate against steps of real transformers models, traced here and now."""

import json

import pytest

from ftspec.memory.estimate import estimate_memory
from tests.memory.plans import measured_plan
from tests.oracles.step_trace import GOLDEN, Case, trace

CASES = [
    Case("meta-llama/Llama-3.2-1B", 3, 384, 3, activation_checkpointing=False, attention="sdpa", dtype="bf16"),
    Case("meta-llama/Llama-3.2-1B", 2, 768, 1, activation_checkpointing=True, attention="sdpa", dtype="fp32"),
    Case("Qwen/Qwen2.5-1.5B", 2, 640, 2, activation_checkpointing=True, attention="eager", dtype="bf16"),
    Case("mistralai/Mistral-7B-v0.3", 2, 2048, 1, activation_checkpointing=False, attention="eager", dtype="fp32"),
    Case("mistralai/Mixtral-8x7B-v0.1", 1, 512, 2, activation_checkpointing=False, attention="sdpa", dtype="bf16"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_step_of_a_real_model(case: Case) -> None:
    peak = trace(case)
    (stage,) = estimate_memory(measured_plan(case.__dict__)).stages
    assert stage.allocated_peak_bytes == pytest.approx(peak["Total"], rel=1e-3)
    assert stage.terms["parameters"] == peak["Parameter"]
    assert stage.terms["optimizer_states"] == peak["Optstate"]


def test_the_kept_traces_are_what_is_traced_today() -> None:
    row = json.loads(GOLDEN.read_text())["rows"][0]
    measured = dict(row.pop("peak"))
    assert trace(Case(**row))["Total"] == measured["Total"]
