"""What would lower the largest terms of a job's memory, and what makes it fit."""

from functools import cache

import pytest

from ftspec.memory.estimate import estimate_memory
from ftspec.pipeline import bench_of, check_text
from ftspec.plan.model import Plan
from ftspec.rules.advice import Advice, advise
from ftspec.rules.costs import cost_of
from ftspec.rules.example import job
from tests.rules.checking import findings, plan_of

LLAMA_8B = 'from = "meta-llama/Llama-3.1-8B"'
LLAMA_70B = 'from = "meta-llama/Llama-3.1-70B"'
TIGHT = 'gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8  gpu_memory = '

JOBS: dict[str, dict[str, str]] = {
    "activations that full checkpointing alone makes fit": {
        "model": LLAMA_8B,
        "training": "stack = deepspeed  micro_batch_size = 2  sequence_length = 8Ki  loss = fused  attention = flash",
        "parallelism": "zero_stage = 3",
    },
    "states that do not fit": {"model": LLAMA_8B, "training": "stack = deepspeed", "parallelism": "zero_stage = 0"},
    "fp32 weights": {
        "model": LLAMA_8B,
        "hardware": TIGHT + "60GB",
        "training": "stack = deepspeed  activation_checkpointing = full",
        "precision": "compute = bf16  parameters = fp32",
        "parallelism": "zero_stage = 1",
    },
    "a large model": {"model": LLAMA_70B, "training": "stack = fsdp2  sequence_length = 8Ki"},
    "weights below adapters": {
        "model": LLAMA_8B,
        "hardware": 'gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 1',
        "training": "stack = ddp  method = full  activation_checkpointing = full",
    },
    "fits": {
        "model": LLAMA_8B,
        "training": "stack = megatron  activation_checkpointing = full",
        "parallelism": "tensor = 8  sequence_parallel = true",
    },
}


@cache
def advice(text: str) -> tuple[Plan, tuple[Advice, ...]]:
    checked = check_text(text, "job.ft")
    (plan,) = checked.plans
    assert checked.document is not None
    return plan, advise(bench_of(checked.document, plan), plan, estimate_memory(plan))


@pytest.mark.parametrize("name", JOBS)
def test_three_terms_of_the_job_itself_are_told(name: str) -> None:
    plan, rows = advice(job(**JOBS[name]))
    terms = estimate_memory(plan).fullest.terms
    largest = sorted((term for term in terms if term != "framework_overhead"), key=lambda term: -terms[term])
    assert list(dict.fromkeys(row.term for row in rows))[:3] == largest[:3]


@pytest.mark.parametrize("name", JOBS)
def test_every_change_does_what_is_said_of_it(name: str) -> None:
    text = job(**JOBS[name])
    plan, rows = advice(text)
    known = {finding.code for finding in check_text(text, "job.ft").findings}
    for row in rows:
        if row.change is not None:
            again = check_text(text, "job.ft", row.settings)
            memory = again.jobs[0].memory
            assert estimate_memory(plan).peak_bytes - memory.peak_bytes == row.saves_bytes
            assert (memory.verdict == "fits") == row.fits
            drawn = {each.code for each in again.findings if each.severity != "note"} - known - {"FT401", "FT402"}
            assert drawn <= set(row.warnings)


def test_what_makes_a_job_fit_is_named() -> None:
    _, rows = advice(job(**JOBS["activations that full checkpointing alone makes fit"]))
    (full,) = [row for row in rows if row.change == "activation_checkpointing = full" and row.term == "activations"]
    assert full.fits


def test_each_term_has_changes_of_its_own_of_one_kind() -> None:
    """LoRA leaves the weights as they are, and QLoRA packs them."""
    _, rows = advice(job(**JOBS["weights below adapters"]))
    changes = {
        term: [row.change or "" for row in rows if row.term == term] for term in ("optimizer_states", "parameters")
    }
    assert any("method = lora" in change for change in changes["optimizer_states"])
    assert any("method = qlora" in change for change in changes["parameters"])
    _, rows = advice(job(**JOBS["fp32 weights"]))
    assert any(row.change == "parameters = bf16" for row in rows if row.term == "parameters")


REFUSED = {
    "FT260 for zero_stage": {"model": LLAMA_8B, "training": "stack = ddp", "parallelism": "zero_stage = 2"},
    "FT202": {
        "model": LLAMA_8B,
        "training": "stack = megatron",
        "parallelism": "tensor = 3",
        "hardware": TIGHT + "9GB",
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_job_is_told_of_nothing_that_is_refused_for_another_reason(name: str) -> None:
    text = job(**REFUSED[name])
    before = {each.message for each in check_text(text, "job.ft").findings}
    _, rows = advice(text)
    for row in rows:
        after = check_text(text, "job.ft", row.settings).findings
        new = {each.code for each in after if each.severity == "error" and each.message not in before}
        assert new <= {"FT401"}, row.change
    help = findings(**REFUSED[name])["FT401"].help or ""
    assert "tensor = 2" not in help


def test_costs_of_one_replica_and_of_many_micro_batches() -> None:
    alone = plan_of(hardware='gpu = "H100-SXM5-80GB"  gpus_per_node = 1', training="stack = deepspeed")
    words = cost_of(alone, alone, {"parallelism.zero_stage": 3}).words
    assert words.startswith("sends nothing between the replicas")
    large = plan_of(training="stack = deepspeed  micro_batch_size = 1000000000")
    small = plan_of(training="stack = deepspeed  micro_batch_size = 1")
    words = cost_of(large, small, {"training.micro_batch_size": 1}).words
    assert "in 1,000,000,000 times as many micro-batches" in words


def test_one_micro_batch_is_one() -> None:
    found = findings(model=LLAMA_8B, training="stack = megatron  global_batch_size = 2", parallelism="pipeline = 4")
    assert found["FT235"].message.startswith("with 1 micro-batch a step, ")
