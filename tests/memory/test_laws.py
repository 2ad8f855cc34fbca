"""Laws that hold whatever the job."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ftspec.memory.communication.torch_pipeline import TORCH_PIPELINES, another_micro_batch
from ftspec.memory.estimate import checkpointed_together, estimate_memory, interval_around, sections_of, verdict_of
from ftspec.memory.estimate_model import TERMS
from ftspec.memory.kinds import Kinds, kinds_of
from ftspec.memory.moments import stage_moments
from ftspec.memory.numbers import largest
from ftspec.memory.outline import Section, Turn, turn_at
from ftspec.memory.states import stage_states
from ftspec.memory.step.frame import Frame, keeps_gradients, shared_by_stages
from ftspec.memory.trained import trained_ends, trained_layer
from ftspec.plan.model import Plan
from ftspec.plan.stages import lay_out_stages
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


def more_sharded(plan: Plan, degree: str) -> Plan:
    """The plan with twice the degree, the same work for each rank. A deeper pipeline keeps whole layers."""
    layout = plan.parallelism
    changes = {degree: 2 * getattr(layout, degree)}
    if degree == "expert":
        changes["expert_tensor"] = 1
    if degree == "tensor" and layout.expert_tensor > 1:
        changes["expert_tensor"] = 2 * layout.expert_tensor
    more = changed(plan, "parallelism", **changes)
    shape = plan.model.shape
    stages = lay_out_stages(shape.num_hidden_layers, more.parallelism.pipeline, more.parallelism.virtual_pipeline)
    return replace(more, stages=stages)


def cost_of_depth(before: Plan, after: Plan) -> int:
    """What deepening a pipeline adds: in torch's each micro-batch in flight has its own cosines and sines; FSDP2 keeps
    all gradients whole in a pipeline, and not without one.
    """
    if before.training.stack not in TORCH_PIPELINES:
        return 0
    beside = max(largest(another_micro_batch(frame), 0) for frame in frames_of(after))
    gradients = max(stage.terms["gradients"] for stage in estimate_memory(after).stages)
    whole = before.training.stack == "fsdp2" and before.parallelism.pipeline == 1
    return beside * (after.parallelism.pipeline - 1) + whole * gradients


@pytest.mark.parametrize("degree", ["data", "context", "tensor", "expert", "pipeline"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(plan=plans())
def test_a_larger_sharding_degree_never_needs_more(degree: str, plan: Plan) -> None:
    """But for the buffers of communication, which are a term of their own, and what a pipeline costs beyond them
    (`cost_of_depth`). An interleaved pipeline is apart: its warm-up holds (1 + (p - 1) / (p v)) of the layers
    (Narayanan et al. 2021, section 2.2), more of them as it deepens.
    """
    if degree == "pipeline":
        assume(plan.parallelism.virtual_pipeline == 1)
    before = changed(plan, "parallelism", expert_tensor=1) if degree == "expert" else plan
    after = more_sharded(before, degree)
    if degree == "pipeline":
        pieces = after.parallelism.pipeline * after.parallelism.virtual_pipeline
        assume(plan.model.shape.num_hidden_layers % pieces == 0)
    buffers = max(stage.terms["communication_buffers"] for stage in estimate_memory(after).stages)
    cost = cost_of_depth(before, after) if degree == "pipeline" else 0
    assert allocated(after) - buffers - cost <= allocated(before)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(plans())
def test_a_higher_zero_stage_never_needs_more(plan: Plan) -> None:
    """But for the buffers of communication, the flat buffers' padding of a few elements, and that ZeRO 2 allocates the
    partition's gradients whole with the first of them, where without it they build up.
    """
    assume(plan.training.stack == "deepspeed" and plan.parallelism.data > 1)
    for stage in (0, 1, 2):
        lower, higher = (changed(plan, "parallelism", zero_stage=each) for each in (stage, stage + 1))
        stages = estimate_memory(higher).stages
        buffers = max(each.terms["communication_buffers"] for each in stages)
        early = max(each.terms["gradients"] for each in stages) if stage == 1 else 0
        assert allocated(higher) - buffers - early <= allocated(lower) * 1.001 + 2**16


@settings(max_examples=40, deadline=None)
@given(plans())
def test_degree_one_is_no_degree(plan: Plan) -> None:
    one = Parallelism(tensor=1, pipeline=1, virtual_pipeline=1, data=1, context=1, expert=1, expert_tensor=1)
    training, model = Training(sequence_length=plan.training.sequence_length), Model(from_=plan.model.id)
    stack = plan.training.stack
    said = plan_of(stack, model=model, training=training, parallelism=one)
    left_out = plan_of(stack, model=model, training=training)
    assert estimate_memory(said) == estimate_memory(left_out)


@settings(max_examples=40, deadline=None)
@given(plans())
def test_no_layer_in_between_needs_more_than_the_turning_points(plan: Plan) -> None:
    """The outline names the layers whose backward may be the peak; no other layer's is higher."""
    kinds, builds_up = kinds_of(plan), keeps_gradients(plan)
    shared = shared_by_stages(plan, kinds, builds_up)
    for section, _ in sections_of(plan, kinds):
        states = stage_states(plan, kinds, section)
        frame = Frame(shared, section)
        named = max(moment.total for moment in stage_moments(frame, states, builds_up))
        frame.outline = replace(frame.outline, turns=every_turn(plan, section, kinds))
        assert max(moment.total for moment in stage_moments(frame, states, builds_up)) == named


def every_turn(plan: Plan, section: Section, kinds: Kinds) -> tuple[Turn, ...]:
    """All layers of a stage that take part in the backward pass."""
    stage = plan.stages[section.pipeline_stage]
    layers = [kinds.of_layer[number] for chunk in stage.chunks for number in chunk]
    present, every = section.outline.kinds, checkpointed_together(plan)
    local = [present.index(kind) for kind in layers]
    heard = [place for place, kind in enumerate(layers) if not kinds.each[kind].variant.silent]
    return tuple(turn_at(local, place, len(present), every) for place in heard)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(plans())
def test_shards_of_the_states_sum_to_the_whole(plan: Plan) -> None:
    """Up to padding: the ranks' states together are the whole states, or a little more; FSDP2 breaks no row, so that it
    may add to each tensor a row for each rank.
    """
    layout = plan.parallelism
    assume(plan.training.stack in ("fsdp2", "deepspeed") and layout.zero_stage > 0)
    whole = changed(plan, "parallelism", data=1, context=1)
    ranks = layout.data * layout.context
    for part, full in zip(estimate_memory(plan).stages, estimate_memory(whole).stages, strict=True):
        for name in ("optimizer_states", "master_parameters"):
            together, counters = ranks * part.terms[name], ranks * 2**16
            rows = ranks * 8 * columns_of(plan) if plan.training.stack == "fsdp2" else 0
            assert full.terms[name] <= together <= full.terms[name] * 1.01 + counters + rows


def columns_of(plan: Plan) -> int:
    """Elements of one row of each trained tensor of the whole model."""
    kinds = kinds_of(plan)
    shards = [trained_layer(plan, kinds.each[kind]) for kind in kinds.of_layer]
    shards.append(trained_ends(plan, embedding=True, head=True))
    return sum(tensor.columns * count for shard in shards for tensor, count in (*shard.dense, *shard.expert))


@settings(max_examples=60, deadline=None)
@given(plans())
def test_checkpointing_keeps_less(plan: Plan) -> None:
    """What the forward pass keeps; the peak need not fall where it lies in the loss. Partial training is apart:
    without checkpointing its frozen layers keep nothing, with it their inputs. So is Megatron's selective kind without
    scores to recompute: its checkpoint keeps values as a part of the joined product, which stays whole; sequences of
    one token have next to none.
    """
    assume(plan.training.method.kind != "partial" and plan.training.sequence_length > 1)
    assume(plan.training.stack != "megatron" or plan.training.attention == "eager")
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
