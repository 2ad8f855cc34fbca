"""Which backends there are: one folder here each, imported when a spec names it."""

import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from ftspec.backends.base import Artefact, Backend, TargetOptions
from ftspec.core.finding import Finding, Severity, has_errors
from ftspec.core.rule import declare
from ftspec.core.source import START
from ftspec.core.suggest import nearest
from ftspec.plan.codes import STACK_WITHOUT_TARGET
from ftspec.plan.model import Plan, Stack
from ftspec.plan.stack import default_stack
from ftspec.spec.document import Document, TargetBlock
from ftspec.spec.typed import build

UNKNOWN_TARGET = declare(
    "FT850",
    Severity.ERROR,
    "the target is not known",
    "A target is a framework that ftspec emits files for.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
target deepsped {}
""",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
target deepspeed {}
""",
)
_ALL_STACKS = 5
FRAMEWORKS: Mapping[Stack, tuple[str, ...]] = {
    "deepspeed": ("deepspeed",),
    "megatron": ("megatron",),
    "megatron_deepspeed": ("deepspeed", "megatron"),
}
"""The backends that know what a stack refuses, written as targets or not."""


@cache
def backend_names() -> tuple[str, ...]:
    """The names of all targets, sorted."""
    with os.scandir(os.path.dirname(__file__)) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("_")))


@cache
def find_backend(name: str) -> Backend | None:
    """The backend of a target's name, or None."""
    if name not in backend_names():
        return None
    backend: Backend = importlib.import_module(f"ftspec.backends.{name}").BACKEND
    return backend


class Compiled(NamedTuple):
    """One target's files, and the plan that they were made from."""

    plan: Plan
    artefacts: list[Artefact]


def retargeted(document: Document, names: Sequence[str] | None) -> Document:
    """The document with these targets, its own block where it has one, else an empty one; None leaves its own."""
    if names is None:
        return document
    own = {block.name: block for block in document.targets}
    return replace(document, targets=tuple(own.get(name) or TargetBlock(name, START, {}, {}, {}) for name in names))


def check_target(block: TargetBlock, plans: Sequence[Plan]) -> list[Finding]:
    """What is wrong with a target's block, and what the target refuses about the plan of its stack."""
    backend = find_backend(block.name)
    if backend is None:
        return [_unknown_target(block)]
    options, findings = _read_options(block, backend)
    if not plans or has_errors(findings):
        return findings
    plan = _plan_for(backend, plans)
    return [_no_stack_for(block, backend, plans[0])] if plan is None else findings + backend.check(plan, options)


def check_stacks(targets: Sequence[TargetBlock], plans: Sequence[Plan]) -> list[Finding]:
    """What the plans' stacks refuse, where no target of theirs says so."""
    written = {block.name for block in targets}
    asked = [(plan, find_backend(name)) for plan in plans for name in FRAMEWORKS.get(plan.training.stack, ())]
    return [
        finding
        for plan, backend in asked
        if backend is not None and backend.name not in written
        for finding in backend.refuses(plan)
    ]


def compile_target(block: TargetBlock, plans: Sequence[Plan]) -> Compiled:
    """The files of a target that a check passed. Raises ValueError for one that it did not."""
    backend = find_backend(block.name)
    plan = _plan_for(backend, plans) if backend else None
    if backend is None or plan is None:
        raise ValueError(f"target {block.name} was not checked")
    return Compiled(plan, backend.compile(plan, _read_options(block, backend)[0]))


def _unknown_target(block: TargetBlock) -> Finding:
    """The finding for a target that nobody compiles."""
    near = nearest(block.name, backend_names())
    known = ", ".join(backend_names())
    return UNKNOWN_TARGET.finding(
        f"no target is called {block.name}",
        block.span,
        f"did you mean {near}? The targets are {known}" if near else f"the targets are {known}",
    )


def stacks_of(document: Document) -> tuple[Stack, ...]:
    """The stacks that a job is planned for: the written one, else those that the targets imply, else the layout's."""
    written = document.spec.training.stack
    if written is not None:
        return (written,)
    backends = [find_backend(block.name) for block in document.targets]
    implied = [backend.stacks[0] for backend in backends if backend is not None and len(backend.stacks) < _ALL_STACKS]
    return tuple(dict.fromkeys(implied)) or (default_stack(document.spec.parallelism),)


def _plan_for(backend: Backend, plans: Sequence[Plan]) -> Plan | None:
    """The first plan whose stack the backend serves."""
    return next((plan for plan in plans if plan.training.stack in backend.stacks), None)


def _no_stack_for(block: TargetBlock, backend: Backend, plan: Plan) -> Finding:
    """The finding for a target that the job's stack cannot run."""
    stacks = " or ".join(backend.stacks)
    return STACK_WITHOUT_TARGET.finding(
        f"target {block.name} is read by {stacks}, and the job runs on {plan.training.stack}",
        plan.where("training.stack") if plan.given("training.stack") else block.span,
        f"write stack = {backend.stacks[0]}, or leave the stack out, or remove target {block.name}",
    )


def _read_options(block: TargetBlock, backend: Backend) -> tuple[TargetOptions, list[Finding]]:
    """A target's block with its options typed."""
    options, findings = build(backend.options, block.options, block.places)
    return TargetOptions(options, block.raw, block.places, block.span), findings
