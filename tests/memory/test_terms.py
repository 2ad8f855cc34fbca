"""The registry of terms: every term is there, its functions say where they are known from, its inputs are complete."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ftspec.memory
from ftspec.memory.estimate import stage_steps, terms_at
from ftspec.memory.estimate_model import TERMS
from ftspec.memory.phases import phases_of
from ftspec.memory.terms import facts_of, sourced, symbols, terms, work_of
from ftspec.plan.fields import plan_paths, value_at
from ftspec.plan.model import Plan
from tests.memory.plans import plan_of
from tests.memory.test_laws import plans

SOURCE = re.compile(r"\w\.(py|h|cpp)\b|et al\.")


def test_every_term_is_registered_and_in_order() -> None:
    assert tuple(terms())[: len(TERMS)] == TERMS


@pytest.mark.parametrize("name", TERMS)
def test_a_term_has_functions_that_name_sources(name: str) -> None:
    term = terms()[name]
    docs = [work.doc for work in work_of(term)]
    assert all(docs)
    assert any(SOURCE.search(text) for text in (*docs, *(fact.source for fact in facts_of(term))))


def test_every_function_with_a_source_belongs_to_a_term() -> None:
    folder = Path(ftspec.memory.__file__).parent
    named = {(work.file, work.name) for term in terms().values() for work in work_of(term)}
    for path in sorted(folder.rglob("*.py")):
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        for name in sourced(module) if path.stem != "__init__" else ():
            assert (f"ftspec/memory/{path.relative_to(folder).as_posix()}", name) in named, "terms.json"


def test_inputs_and_symbols_are_plan_paths() -> None:
    shape = {path for path in symbols().values() if path.startswith("model.shape.")}
    for path in {*symbols().values(), *(path for term in terms().values() for path in term.inputs)} - shape:
        assert path in plan_paths(), path


OTHERWISE: dict[str, tuple[Any, ...]] = {
    "precision.parameters": ("fp32", "bf16"),
    "precision.master_parameters": ("fp32", "none"),
    "precision.gradients": ("fp32", "bf16"),
    "precision.optimizer_states": ("fp32", "bf16"),
    "training.stack": ("deepspeed", "megatron", "megatron_deepspeed", "fsdp2", "ddp"),
    "training.sequence_length": (512, 2048),
    "training.micro_batch_size": (1, 3),
    "training.gradient_accumulation_steps": (1, 2, 16),
    "training.activation_checkpointing": ("none", "selective", "full"),
    "training.checkpoint_every_layers": (1, 2),
    "training.attention": ("flash", "sdpa", "eager"),
    "training.loss": ("standard", "chunked", "fused"),
    "training.optimizer.fused": (True, False),
    "training.optimizer.kind": ("adamw", "sgd", "lion"),
    "training.optimizer.beta1": (0.8, 0.9),
    "training.seed": (1, 2),
    "training.tokens": (10**6, 10**9),
    "parallelism.tensor": (1, 4),
    "parallelism.data": (1, 4, 16),
    "parallelism.context": (1, 2),
    "parallelism.zero_stage": (0, 1, 2, 3),
    "parallelism.sequence_parallel": (True, False),
    "parallelism.distributed_optimizer": (True, False),
    "parallelism.offload_optimizer": ("none", "cpu"),
    "parallelism.offload_parameters": ("none", "cpu"),
    "parallelism.schedule": ("1f1b", "gpipe"),
    "hardware.gpu_memory_bytes": (2**34, 2**36),
    "storage.read_bandwidth": (1e9, 1e10),
}
"""Plan paths, inputs of something or of nothing, and values that they may have."""


def with_value(plan: Plan, path: str, value: Any) -> Plan:
    names = path.split(".")
    inner = value
    for depth in range(len(names) - 1, 0, -1):
        owner = value_at(plan, ".".join(names[:depth]))
        inner = replace(owner, **{names[depth]: inner})
    return replace(plan, **{names[0]: inner})


def bytes_of(plan: Plan, name: str) -> list[set[tuple[str, int]]]:
    """What a term comes to at the moments of each stage, whatever their order and whichever is the highest."""
    return [
        {(moment.phase, terms_at(moment, step.states, step.others)[name]) for moment, _ in step.moments}
        for step in sorted(stage_steps(plan), key=lambda step: step.pipeline_stage)
    ]


def in_shared_phases(before: set[tuple[str, int]], after: set[tuple[str, int]]) -> tuple[set[tuple[str, int]], ...]:
    shared = {phase for phase, _ in before} & {phase for phase, _ in after}
    return tuple({each for each in amounts if each[0] in shared} for amounts in (before, after))


@settings(max_examples=300, deadline=None)
@given(plans(), st.sampled_from(sorted(OTHERWISE)), st.data())
def test_a_term_depends_on_its_inputs_alone(plan: Plan, path: str, data: st.DataObject) -> None:
    other = with_value(plan, path, data.draw(st.sampled_from(OTHERWISE[path])))
    # A layer's neighbours are looked at once there are two ranks to talk to each other.
    assume(path != "parallelism.data" or min(plan.parallelism.data, other.parallelism.data) > 1)
    for name in TERMS[:-1]:
        if path not in terms()[name].inputs:
            for stage, same in zip(bytes_of(plan, name), bytes_of(other, name), strict=True):
                before, after = in_shared_phases(stage, same)
                assert before == after, name


@settings(max_examples=60, deadline=None)
@given(plans())
def test_the_phases_reach_the_peak(plan: Plan) -> None:
    from ftspec.memory.estimate import estimate_memory

    for stage, phases in zip(estimate_memory(plan).stages, phases_of(plan), strict=True):
        highest = max(phases, key=lambda phase: phase.allocated_bytes)
        assert highest.allocated_bytes == stage.allocated_peak_bytes
        assert all(sum(phase.terms.values()) == phase.allocated_bytes for phase in phases)


def test_logits_have_the_bytes_that_their_formula_says() -> None:
    logits = 128256 * 4096
    (phases,) = phases_of(plan_of())
    amounts = {phase.name: phase.terms["logits"] for phase in phases}
    assert amounts["forward"] == logits * (2 + 2 + 4 + 4)
    assert amounts["loss_backward"] == logits * (2 + 4)


@pytest.mark.parametrize("stack", OTHERWISE["training.stack"])
def test_modules_of_single_stacks_are_those_of_functions(stack: str) -> None:
    """A stack's own module is left out of what another stack's jobs are told, and of nothing else."""
    buffers, plan = terms()["communication_buffers"], plan_of(stack=stack)
    every = {work.file for work in work_of(buffers)}
    own = {work.file for work in work_of(buffers, plan)}
    assert f"ftspec/memory/communication/{stack}.py" in own < every
