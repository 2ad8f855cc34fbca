"""Lowering: the tree of a text, with the command line's settings over it, to a typed document."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftspec.core.finding import Finding
from ftspec.core.source import Place
from ftspec.spec.body import Body, Collector, Node
from ftspec.spec.document import Document, TargetBlock
from ftspec.spec.evaluate import Evaluation
from ftspec.spec.evaluation_codes import written_twice
from ftspec.spec.kinds import AUTO
from ftspec.spec.lengths import decimal_lengths
from ftspec.spec.model import Spec
from ftspec.spec.settings import apply_settings
from ftspec.spec.typed import build
from ftspec.spec.typed_codes import BLOCK_OR_VALUE
from ftspec.spec.values import Word
from ftspec.syntax.tree import Assert, Import, Name, SpecTree, Statement, Target, Variant

_FILE_LAYER = 1
_SETTINGS_LAYER = 1000


def lower(tree: SpecTree, path: str, settings: Sequence[str] = ()) -> tuple[Document, list[Finding]]:
    """The document of a tree. With errors too there is a document: what failed in it is None.

    `settings` are the `path=value` texts of `--set`; they override the file. A `let` may be set by its name.
    """
    places: dict[str, Place] = {}
    root = Body("", places)
    lets: dict[str, Node] = {}
    collector = Collector(path, _FILE_LAYER, lets)
    top: dict[type[Any], list[Any]] = {Target: [], Variant: [], Assert: [], Import: []}
    collector.collect(_bodies(tree.statements, top), root)
    findings = [*collector.findings, *_twice(top), *apply_settings(settings, root, lets, _SETTINGS_LAYER)]
    run = Evaluation(root, lets, path)
    for node in lets.values():
        run.value(node)
    spec, wrong = build(Spec, run.values(root), places)
    targets = [_target(target, run, path) for target in top[Target]]
    findings += [*run.findings, *wrong, *decimal_lengths(root, lets)]
    document = Document(path, spec, places, tuple(targets), tuple(top[Variant]), tuple(top[Assert]), tuple(top[Import]))
    return document, findings


def _bodies(statements: Sequence[Statement], top: dict[type[Any], list[Any]]) -> list[Statement]:
    """The statements of the spec's own body; the others are put into `top`."""
    own: list[Statement] = []
    for statement in statements:
        top.get(type(statement), own).append(statement)
    return own


def _twice(top: Mapping[type[Any], list[Any]]) -> list[Finding]:
    """Targets and variants that have the name of an earlier one."""
    findings: list[Finding] = []
    for kind in (Target, Variant):
        first: dict[str, Any] = {}
        for statement in top[kind]:
            name = statement.name.text if isinstance(statement.name, Name) else statement.name.value
            older = first.setdefault(name, statement.name)
            if older is not statement.name:
                findings.append(written_twice(f"the {kind.__name__.lower()} `{name}`", statement.name.span, older.span))
    return findings


def _target(target: Target, run: Evaluation, path: str) -> TargetBlock:
    """A target's block. In `raw`, which is the framework's language, `auto` is the word "auto"."""
    places: dict[str, Place] = {}
    body = Body("", places)
    collector = Collector(path, _FILE_LAYER, {})
    collector.collect(target.body, body)
    run.findings += collector.findings
    options = run.values(body)
    raw = options.pop("raw", {})
    if not isinstance(raw, dict):
        run.report(BLOCK_OR_VALUE, "`raw` is a block", places["raw"].value, "write `raw { … }`")
        raw = {}
    return TargetBlock(target.name.text, target.name.span, options, _raw(raw), places)


def _raw(value: Any) -> Any:
    if value is AUTO:
        return Word("auto")
    if isinstance(value, dict):
        return {key: _raw(each) for key, each in value.items()}
    return [_raw(each) for each in value] if isinstance(value, list) else value
