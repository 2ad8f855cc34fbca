"""The whole flow on one page: text → tree → document → plans → findings and memory → artefacts.

Each stage returns `(value, findings)`; a stage that got nothing ends the flow, and what was found so far
is the answer. Exceptions are faults of ours.
"""

from collections.abc import Sequence

from ftspec.backends.base import Artefact
from ftspec.backends.registry import check_stacks, check_target, compile_target, retargeted, stacks_of
from ftspec.checked import Checked, Job, checked
from ftspec.core.finding import Finding, has_errors
from ftspec.memory.estimate import estimate_memory
from ftspec.plan.model import Plan
from ftspec.plan.resolve import resolve
from ftspec.rules.families import plan_findings
from ftspec.rules.memory import memory_findings
from ftspec.rules.trials import Bench
from ftspec.spec.document import Document, TargetBlock
from ftspec.spec.lower import lower
from ftspec.spec.without_effect import without_effect
from ftspec.syntax.parser import parse_partial
from ftspec.syntax.reading import read_source


def check_file(path: str, settings: Sequence[str] = (), to: Sequence[str] | None = None) -> Checked:
    """Check a file. `settings` are the texts of `--set`; `to` names the targets instead of the file's own."""
    text, findings = read_source(path)
    shown = path.encode("utf-8", "replace").decode()  # a file's name may be bytes that no text has
    if text is None:
        return checked(shown, "", settings, findings)
    return check_text(text, shown, settings, to)


def check_text(text: str, path: str, settings: Sequence[str] = (), to: Sequence[str] | None = None) -> Checked:
    """Check a text as the content of `path`."""
    tree, findings = parse_partial(text)
    if tree is None:
        return checked(path, text, settings, findings)
    document, more = lower(tree, path, settings)
    findings += more
    if not tree.complete:  # what was skipped may have said anything: a plan without it would be about another job
        return checked(path, text, settings, findings)
    findings += without_effect(document)
    document = retargeted(document, to)
    whole = not has_errors(findings)  # a default in the place of a refused value says nothing about memory
    jobs: list[Job] = []
    stacks, bench = stacks_of(document), None
    for stack in stacks:
        plan, more = resolve(document, stack)
        findings += more
        if plan is not None:
            job = Job(plan, estimate_memory(plan))
            bench = bench or bench_of(document, plan)
            findings += plan_findings(plan, bench) + (memory_findings(plan, job.memory, bench) if whole else [])
            jobs.append(job)
    findings += _check_targets(document.targets, [job.plan for job in jobs])
    return checked(path, text, settings, findings, document, tuple(jobs), whole)


def bench_of(document: Document, plan: Plan) -> Bench:
    """Where changes to a document's job are tried: with all its stacks and all its targets."""
    return Bench(plan, stacks_of(document), lambda plans: _check_targets(document.targets, plans))


def _check_targets(targets: Sequence[TargetBlock], plans: Sequence[Plan]) -> list[Finding]:
    found = [finding for block in targets for finding in check_target(block, plans)]
    return found + check_stacks(targets, plans)


def compile_checked(result: Checked) -> list[Artefact]:
    """The artefacts of every target of a check that found no error, and the manifest of them."""
    from ftspec.output.manifest import manifest_artefact

    targets = result.document.targets if result.document else ()
    compiled = [compile_target(block, result.plans) for block in targets]
    manifest = manifest_artefact(result.path, result.texts, compiled)
    return [*(artefact for each in compiled for artefact in each.artefacts), manifest]
