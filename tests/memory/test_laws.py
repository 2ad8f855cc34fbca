"""Laws that hold whatever the job."""

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ftspec.memory.estimate import estimate_memory, interval_around, verdict_of
from ftspec.memory.estimate_model import TERMS
from ftspec.plan.model import Plan
from ftspec.spec.methods import Full, Lora, Partial, Qlora
from ftspec.spec.model import Checkpointing, Model, Parallelism, Training
from tests.memory.plans import frames_of, plan_of, with_shape

MODELS = (
    "meta-llama/Llama-3.1-8B",
    "meta-llama/Llama-3.2-1B",
    "openai-community/gpt2-xl",
    "mistralai/Mixtral-8x7B-v0.1",
    "deepseek-ai/DeepSeek-V3",
    "google/gemma-2-9b",
    "Qwen/Qwen3-8B",
    "EleutherAI/pythia-6.9b",
)
STACKS = ("ddp", "fsdp2", "deepspeed", "megatron", "megatron_deepspeed")
METHODS = (Full(), Lora(rank=8), Qlora(rank=8), Partial(last_layers=2))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of any kind, legal or not: an estimate never fails."""
    pipeline = draw(st.sampled_from((1, 1, 2, 4)))
    layout = Parallelism(
        tensor=draw(st.sampled_from((1, 2, 8))),
        pipeline=pipeline,
        virtual_pipeline=draw(st.sampled_from((1, 2))) if pipeline > 1 else 1,
        data=draw(st.sampled_from((1, 2, 8, 64))),
        context=draw(st.sampled_from((1, 2))),
        zero_stage=draw(st.sampled_from((0, 1, 2, 3))),
        sequence_parallel=draw(st.booleans()),
        distributed_optimizer=draw(st.booleans()),
    )
    training = Training(
        method=draw(st.sampled_from(METHODS)),
        sequence_length=draw(st.sampled_from((1, 512, 4096))),
        micro_batch_size=draw(st.sampled_from((1, 4))),
        gradient_accumulation_steps=draw(st.sampled_from((1, 8))),
        activation_checkpointing=Checkpointing(
            draw(st.sampled_from(("none", "selective", "full"))), draw(st.sampled_from((1, 3)))
        ),
        attention=draw(st.sampled_from(("flash", "sdpa", "eager"))),
        loss=draw(st.sampled_from(("standard", "chunked", "fused"))),
    )
    model = Model(from_=draw(st.sampled_from(MODELS)))
    return plan_of(draw(st.sampled_from(STACKS)), model=model, training=training, parallelism=layout)


def allocated(plan: Plan) -> int:
    """Bytes of tensors on the fullest stage."""
    return max(stage.allocated_peak_bytes for stage in estimate_memory(plan).stages)


def changed(plan: Plan, block: str, **values: Any) -> Plan:
    return replace(plan, **{block: replace(getattr(plan, block), **values)})


@settings(max_examples=150, deadline=None)
@given(plans())
def test_terms_are_whole_not_negative_and_sum_up(plan: Plan) -> None:
    estimate = estimate_memory(plan)
    assert len(estimate.stages) == plan.parallelism.pipeline
    for stage in estimate.stages:
        assert tuple(stage.terms) == TERMS
        assert all(isinstance(count, int) and count >= 0 for count in stage.terms.values())
        tensors = sum(count for name, count in stage.terms.items() if name != "framework_overhead")
        assert tensors == stage.allocated_peak_bytes
        assert tensors + stage.terms["framework_overhead"] == stage.peak_bytes
    assert estimate.peak_bytes == estimate.fullest.peak_bytes
    low, high = estimate.interval_bytes
    assert low <= estimate.peak_bytes <= high


@settings(max_examples=100, deadline=None)
@given(plans())
def test_longer_sequences_and_larger_batches_never_need_less(plan: Plan) -> None:
    longer = changed(plan, "training", sequence_length=2 * plan.training.sequence_length)
    larger = changed(plan, "training", micro_batch_size=2 * plan.training.micro_batch_size)
    assert allocated(longer) >= allocated(plan)
    assert allocated(larger) >= allocated(plan)


@settings(max_examples=30, deadline=None)
@given(plans())
def test_fewer_layers_never_need_more(plan: Plan) -> None:
    shape = plan.model.shape
    shallower = with_shape(plan, replace(shape, num_hidden_layers=shape.num_hidden_layers // 2))
    assert allocated(shallower) <= allocated(with_shape(plan, shape))


@settings(max_examples=100, deadline=None)
@given(plans())
def test_more_replicas_never_need_more(plan: Plan) -> None:
    """Beyond two, where the buffers of communication appear; at fixed work of each rank."""
    two = changed(plan, "parallelism", data=2 * plan.parallelism.data)
    four = changed(plan, "parallelism", data=4 * plan.parallelism.data)
    assert allocated(four) <= allocated(two)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(plans())
def test_shards_of_the_states_sum_to_the_whole(plan: Plan) -> None:
    """Up to padding: the ranks' states together are the whole states, or a little more."""
    layout = plan.parallelism
    assume(plan.training.stack in ("fsdp2", "deepspeed") and layout.zero_stage > 0)
    whole = changed(plan, "parallelism", data=1, context=1)
    ranks = layout.data * layout.context
    for part, full in zip(estimate_memory(plan).stages, estimate_memory(whole).stages, strict=True):
        for name in ("optimizer_states", "master_parameters"):
            together, counters = ranks * part.terms[name], ranks * 2**16
            assert full.terms[name] <= together <= full.terms[name] * 1.01 + counters


@settings(max_examples=60, deadline=None)
@given(plans())
def test_checkpointing_keeps_less(plan: Plan) -> None:
    """What the forward pass keeps; the peak need not fall where it lies in the loss. Partial training is apart:
    without checkpointing its frozen layers keep nothing, with it their inputs.
    """
    assume(plan.training.method.kind != "partial")
    kept = [
        frames_of(changed(plan, "training", activation_checkpointing=kind))[0].one_micro_batch
        for kind in ("full", "selective", "none")
    ]
    assert kept == sorted(kept)


@settings(max_examples=30, deadline=None)
@given(plans(), st.integers(1, 10**12))
def test_the_verdict_follows_the_interval(plan: Plan, peak: int) -> None:
    low, high = interval_around(plan, peak)
    assert verdict_of((low, high), high) == "fits"
    assert verdict_of((low, high), low - 1) == "does_not_fit"
    if low < high:
        assert verdict_of((low, high), high - 1) == "borderline"
