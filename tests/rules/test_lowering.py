"""What `memory` advises: a change saves what it says, nothing refuses it, and what it costs is known."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.memory.phases import phases_of
from ftspec.pipeline import bench_of, check_text
from ftspec.plan.model import Plan
from ftspec.rules.advice import Advice, advise
from ftspec.rules.changes import changed
from ftspec.rules.costs import bubble, cost_of, replica_traffic, tensor_traffic
from ftspec.rules.example import job
from ftspec.rules.floating_point import layers_forward, more_products
from ftspec.rules.savings import savings
from tests.rules.checking import plan_of
from tests.rules.following import complaints

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LLAMA_8B = 'from = "meta-llama/Llama-3.1-8B"'
MODELS = (LLAMA_8B, 'from = "meta-llama/Llama-3.2-1B"', 'from = "mistralai/Mixtral-8x7B-v0.1"')
LAYOUTS = {
    "deepspeed": ("zero_stage = 0", "zero_stage = 1", "zero_stage = 3", "pipeline = 2  zero_stage = 1"),
    "megatron": ("tensor = 2", "tensor = 4  sequence_parallel = true  zero_stage = 1", "tensor = 2  pipeline = 4"),
    "fsdp2": ("zero_stage = 3",),
    "ddp": ("zero_stage = 0",),
}

FIXES = (["training.activation_checkpointing=full"], ["training.attention=flash"], ["training.micro_batch_size=1"])
"""What makes many a job fit."""


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Jobs of every stack, with little and with much that could be saved."""
    stack = draw(st.sampled_from(sorted(LAYOUTS)))
    said = {
        "activation_checkpointing": draw(st.sampled_from(("none", "selective", "full { every = 4 }", "full"))),
        "attention": draw(st.sampled_from(("flash", "eager"))),
        "micro_batch_size": draw(st.sampled_from(("1", "4"))),
        "global_batch_size": "256",
        "sequence_length": draw(st.sampled_from(("1Ki", "8Ki"))),
        "optimizer": draw(st.sampled_from(("adamw", "adamw { learning_rate = 1e-4  beta2 = 0.95  fused = false }"))),
    }
    training = "  ".join(f"{name} = {value}" for name, value in {"stack": stack, **said}.items())
    return job(
        model=draw(st.sampled_from(MODELS)), training=training, parallelism=draw(st.sampled_from(LAYOUTS[stack]))
    )


def advised(text: str) -> tuple[Advice, ...]:
    checked = check_text(text, "job.ft")
    assert checked.document is not None
    (one,) = checked.jobs
    return advise(bench_of(checked.document, one.plan), one.plan, one.memory)


@settings(max_examples=40, deadline=None)
@given(texts())
def test_a_change_saves_what_it_says_and_is_legal(text: str) -> None:
    before = check_text(text, "job.ft")
    stage = before.jobs[0].memory.fullest
    for advice in advised(text):
        assert advice.bytes == stage.terms[advice.term]
        if advice.change is None:
            continue
        after = check_text(text, "job.ft", advice.settings)
        known = complaints(before) | set(advice.warnings)
        assert complaints(after) - {"FT402"} <= known  # may fit is better than does not fit
        assert advice.saves_bytes == stage.peak_bytes - after.jobs[0].memory.peak_bytes > 0
        stages = phases_of(after.jobs[0].plan)
        if len(stages) == len(before.jobs[0].memory.stages):
            stages = (stages[stage.pipeline_stage],)
        lowered = [each for each in stages for each in each if each.name == stage.phase]
        assert all(each.terms.get(advice.term, 0) < advice.bytes for each in lowered)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ft")), ids=lambda path: path.stem)
def test_advice_on_the_examples_holds_on_each_stack(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    before = check_text(text, path.name)
    assert before.document is not None
    bench = bench_of(before.document, before.plans[0])
    for one in before.jobs:
        for advice in advise(bench, one.plan, one.memory):
            after = check_text(text, path.name, advice.settings)
            assert complaints(after) <= complaints(before) | set(advice.warnings)
            (same,) = [each for each in after.jobs if each.plan.training.stack == one.plan.training.stack]
            assert one.memory.peak_bytes - same.memory.peak_bytes == advice.saves_bytes


@settings(max_examples=20, deadline=None)
@given(texts())
def test_the_largest_terms_come_first_and_dearer_changes_save_more(text: str) -> None:
    memory = check_text(text, "job.ft").jobs[0].memory
    stage, rows = memory.fullest, advised(text)
    terms = list(dict.fromkeys(row.term for row in rows))
    largest = sorted((count for term, count in stage.terms.items() if term != "framework_overhead"), reverse=True)
    assert [stage.terms[term] for term in terms[:3]] == largest[:3]
    for term in terms:
        saved = [row.saves_bytes for row in rows if row.term == term]
        assert len(saved) <= (3 if memory.verdict == "fits" else 5)
        if memory.verdict == "fits":
            assert saved == sorted(saved)
    if any(check_text(text, "job.ft", settings).exit_code == 0 for settings in FIXES) and memory.verdict != "fits":
        assert any(row.fits for row in rows)


def test_full_checkpointing_is_advised_where_activations_weigh_most() -> None:
    text = job(
        model=LLAMA_8B,
        training="stack = deepspeed  sequence_length = 8Ki  loss = fused  global_batch_size = 64",
        parallelism="zero_stage = 3",
    )
    (first, *_) = advised(text)
    assert first.term == "activations"
    assert first.settings == ("training.activation_checkpointing=full",)
    assert first.cost is not None
    assert first.cost.startswith("costs about 3")


def _with(plan: Plan, **changes: object) -> Plan:
    return changed(plan, {f"training.{name}": value for name, value in changes.items()})


def test_recomputation_is_a_third_less_the_head() -> None:
    plan = plan_of(model=LLAMA_8B, training="stack = deepspeed")
    layers, head = layers_forward(plan), 2 * 4096 * 128256
    share = more_products(plan, _with(plan, activation_checkpointing="full"))
    assert share == pytest.approx(layers / (3 * (layers + head)))
    assert 0.28 < share < 1 / 3


def test_llama_passes_two_flops_a_weight_and_half_of_the_attention_matrix() -> None:
    plan = plan_of(model=LLAMA_8B, training="stack = deepspeed  sequence_length = 4Ki")
    weights = 8_030_261_248 - 2 * 4096 * 128256
    assert layers_forward(plan) == 2 * weights + 32 * (2 * 2 * 4096 * 4096 // 2)


def test_selective_recomputes_attention_alone() -> None:
    plan = plan_of(model=LLAMA_8B, training="stack = deepspeed  attention = eager")
    selective, full = (
        more_products(plan, _with(plan, activation_checkpointing=kind)) for kind in ("selective", "full")
    )
    assert 0 < selective < full / 5


def test_adapters_recompute_half() -> None:
    plan = plan_of(model=LLAMA_8B, training="stack = ddp  method = lora { rank = 16 }")
    share = more_products(plan, _with(plan, activation_checkpointing="full"))
    assert 0.45 < share < 0.5


def test_the_bubble_of_1f1b() -> None:
    plan = plan_of(
        model=LLAMA_8B,
        training="stack = megatron  global_batch_size = 56  micro_batch_size = 1",
        parallelism="tensor = 2  pipeline = 4",
    )
    assert plan.training.gradient_accumulation_steps == 56
    assert bubble(plan) == 3 / 59


def test_all_reduces_of_tensor_parallelism() -> None:
    plan = plan_of(model=LLAMA_8B, training="stack = megatron  sequence_length = 4Ki", parallelism="tensor = 8")
    assert tensor_traffic(plan) == 4 * 32 * (4096 * 4096 * 2) * 2 * 7 / 8


def test_costs_name_numbers_of_the_job() -> None:
    before = plan_of(model=LLAMA_8B, training="stack = deepspeed  micro_batch_size = 4  global_batch_size = 256")
    changes = {"training.micro_batch_size": 1}
    cost = cost_of(before, changed(before, changes), changes)
    assert cost.words == "makes products smaller, in 4 times as many micro-batches a step"
    assert cost.source


@pytest.mark.parametrize(("steps", "traffic"), [(1, [2, 2, 2, 3]), (4, [2, 2, 5, 12])])
def test_replicas_send_more_from_zero_2_on_where_gradients_are_accumulated(steps: int, traffic: list[int]) -> None:
    plans = [
        plan_of(
            training=f"stack = deepspeed  gradient_accumulation_steps = {steps}", parallelism=f"zero_stage = {stage}"
        )
        for stage in range(4)
    ]
    assert list(map(replica_traffic, plans)) == traffic


def test_every_change_has_a_cost() -> None:
    """Whatever `savings` proposes, for jobs of every stack and with every place to save."""
    for stack, layouts in LAYOUTS.items():
        for layout in layouts:
            for model in MODELS:
                training = f"stack = {stack}  micro_batch_size = 4  attention = eager  global_batch_size = 256"
                plan = plan_of(model=model, training=training, parallelism=layout)
                for kind in savings(plan, (plan.training.stack,)):
                    for changes in kind:
                        assert cost_of(plan, changed(plan, changes), changes).words
