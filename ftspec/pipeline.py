"""The whole flow on one page: text → tree → document → plans → findings and memory → artefacts.

Each stage returns `(value, findings)`; a stage that got nothing ends the flow, and what was found so far
is the answer. Exceptions are faults of ours.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ftspec.backends.base import Artefact
from ftspec.backends.registry import (
    find_backend,
    no_stack_for,
    plan_for,
    read_options,
    stacks_of,
    unknown_target,
)
from ftspec.core.finding import Finding, Severity, has_errors
from ftspec.core.rule import declare
from ftspec.core.source import COMMAND_LINE, START
from ftspec.memory.estimate import estimate_memory
from ftspec.memory.estimate_model import MemoryEstimate
from ftspec.plan.model import Plan
from ftspec.plan.resolve import resolve
from ftspec.rules.families import plan_findings
from ftspec.rules.memory import FIT_CODES, memory_findings
from ftspec.spec.document import Document, TargetBlock
from ftspec.spec.lower import lower
from ftspec.syntax.parser import parse_partial
from ftspec.syntax.reading import UNREADABLE_CODES, read_source

NOT_YET_MEANT = declare(
    "FT860",
    Severity.WARNING,
    "a statement is read but has no effect yet",
    "This version parses `import` and `assert` and does not act on them.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
target deepspeed {}
assert parallelism.zero_stage == 3, "the cluster is small"
""",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
target deepspeed {}
""",
)


MOST_FINDINGS = 100
"""Findings of one file that are shown."""

MANY_FINDINGS = declare(
    "FT861",
    Severity.NOTE,
    "there are more findings than are shown",
    "A file with hundreds of mistakes usually has one cause. The line has the severity of the worst that is not shown.",
    "",
    "",
)


class Job(NamedTuple):
    """One plan of a spec (one a stack) and its memory."""

    plan: Plan
    memory: MemoryEstimate


class Checked(NamedTuple):
    """What a check knows of a spec. `texts` holds the sources that spans point into, by name."""

    path: str
    texts: dict[str, str]
    document: Document | None
    jobs: tuple[Job, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0 nothing wrong, 1 errors, 2 unreadable, 3 the only errors are that it does not fit."""
        errors = {finding.code for finding in self.findings if finding.severity is Severity.ERROR}
        if errors & UNREADABLE_CODES:
            return 2
        if errors - FIT_CODES:
            return 1
        return 3 if errors else 0


def check_file(path: str, settings: Sequence[str] = (), to: Sequence[str] | None = None) -> Checked:
    """Check a file. `settings` are the texts of `--set`; `to` names the targets instead of the file's own."""
    text, findings = read_source(path)
    shown = path.encode("utf-8", "replace").decode()  # a file's name may be bytes that no text has
    if text is None:
        return _checked(shown, "", settings, None, (), findings)
    return check_text(text, shown, settings, to)


def check_text(text: str, path: str, settings: Sequence[str] = (), to: Sequence[str] | None = None) -> Checked:
    """Check a text as the content of `path`."""
    tree, findings = parse_partial(text)
    if tree is None:
        return _checked(path, text, settings, None, (), findings)
    document, more = lower(tree, path, settings)
    if not tree.complete:  # what was skipped may have said anything: a plan without it would be about another job
        return _checked(path, text, settings, None, (), findings + more)
    findings += more + _without_effect(document)
    if to is not None:
        document = _retargeted(document, to)
    whole = not has_errors(findings)  # a default in the place of a refused value says nothing about memory
    jobs: list[Job] = []
    for stack in stacks_of(document):
        plan, more = resolve(document, stack)
        findings += more
        if plan is not None:
            job = Job(plan, estimate_memory(plan))
            findings += plan_findings(plan) + (memory_findings(plan, job.memory) if whole else [])
            jobs.append(job)
    plans = tuple(job.plan for job in jobs)
    findings += [finding for block in document.targets for finding in _check_target(block, plans)]
    return _checked(path, text, settings, document, tuple(jobs), findings)


def compile_checked(checked: Checked) -> list[Artefact]:
    """The artefacts of every target of a check that found no error, and the manifest of them."""
    from ftspec.output.manifest import manifest_artefact

    artefacts: list[Artefact] = []
    plans = tuple(job.plan for job in checked.jobs)
    for block in checked.document.targets if checked.document else ():
        backend = find_backend(block.name)
        plan = plan_for(backend, plans) if backend else None
        if backend and plan:
            artefacts += backend.compile(plan, read_options(block, backend)[0])
    return [*artefacts, manifest_artefact(checked.path, checked.texts[checked.path], plans, artefacts)]


def _retargeted(document: Document, names: Sequence[str]) -> Document:
    """The document with these targets: its own block where it has one, else an empty one."""
    own = {block.name: block for block in document.targets}
    return replace(document, targets=tuple(own.get(name) or TargetBlock(name, START, {}, {}, {}) for name in names))


def _without_effect(document: Document) -> list[Finding]:
    spans = [*(each.span for each in document.imports), *(each.span for each in document.assertions)]
    message = "this statement is read but has no effect in this version of ftspec"
    return [NOT_YET_MEANT.finding(message, span, "write what it says where it applies") for span in spans]


def _check_target(block: TargetBlock, plans: tuple[Plan, ...]) -> list[Finding]:
    backend = find_backend(block.name)
    if backend is None:
        return [unknown_target(block)]
    options, findings = read_options(block, backend)
    if not plans or has_errors(findings):
        return findings
    plan = plan_for(backend, plans)
    return [no_stack_for(block, backend, plans[0])] if plan is None else findings + backend.check(plan, options)


def _located(finding: Finding, path: str) -> Finding:
    return finding if finding.path else finding._replace(path=finding.span.source or path)


_SEVERITIES = list(Severity)


def _order(path: str) -> Callable[[Finding], tuple[object, ...]]:
    return lambda finding: (
        finding.path != path,
        finding.span[:2],
        _SEVERITIES.index(finding.severity),
        finding.code,
        finding.message,
    )


def _checked(
    path: str,
    text: str,
    settings: Sequence[str],
    document: Document | None,
    jobs: tuple[Job, ...],
    findings: list[Finding],
) -> Checked:
    """The result: each finding once (two stacks may find the same), in the order of the text, and not too many."""
    located = sorted(dict.fromkeys(_located(finding, path) for finding in findings), key=_order(path))
    texts = {path: text, COMMAND_LINE: "\n".join(settings)}
    return Checked(os.fspath(path), texts, document, jobs, tuple(_limited(located)))


def _limited(findings: list[Finding]) -> list[Finding]:
    """The first findings; of more than anybody reads, one says how many there are, as severe as the worst of them."""
    rest = findings[MOST_FINDINGS:]
    if not rest:
        return findings
    worst = min((finding.severity for finding in rest), key=_SEVERITIES.index)
    many = MANY_FINDINGS.finding(f"{len(rest)} more findings are not shown", rest[0].span, "mend those above first")
    many = many._replace(severity=worst, path=rest[0].path)
    return [*findings[:MOST_FINDINGS], many]
