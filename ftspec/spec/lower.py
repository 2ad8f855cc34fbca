"""Lowering: the tree of a text, with the command line's settings over it, to a typed document."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftspec.core.finding import Edit, Finding, Fix, Related
from ftspec.core.source import Place
from ftspec.spec.body import Body, Collector, Node
from ftspec.spec.document import Document, TargetBlock
from ftspec.spec.evaluate import Evaluation
from ftspec.spec.evaluation_codes import DUPLICATE
from ftspec.spec.kinds import AUTO
from ftspec.spec.model import Spec
from ftspec.spec.settings import apply_settings
from ftspec.spec.typed import build
from ftspec.spec.typed_codes import BLOCK_OR_VALUE, DECIMAL_LENGTH
from ftspec.spec.values import Word
from ftspec.syntax.tree import Assert, Import, Name, NumberLiteral, Reference, SpecTree, Statement, Target, Variant

_FILE_LAYER = 1
_SETTINGS_LAYER = 1000
_LENGTHS = ("training.sequence_length", "model.max_position_embeddings")
_BINARY = {"k": "Ki", "M": "Mi"}


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
    findings += [*run.findings, *wrong, *_decimal_lengths(root, lets)]
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
                related = (Related("first written here", older.span),)
                message = f"the {kind.__name__.lower()} `{name}` is written twice"
                findings.append(DUPLICATE.finding(message, statement.name.span, "keep one of the two", related=related))
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


def _through_lets(expression: Any, lets: Mapping[str, Node]) -> Any:
    """What an expression is, or the value of the `let` of the file that it is the name of."""
    if isinstance(expression, Reference) and expression.text in lets:
        return lets[expression.text].expression
    return expression


def _decimal_lengths(root: Body, lets: Mapping[str, Node]) -> list[Finding]:
    """Lengths in tokens that are written with a decimal multiplier."""
    findings: list[Finding] = []
    for path in _LENGTHS:
        block, key = path.split(".")
        node = root.nodes.get(block)
        inner = node.expression.nodes.get(key) if node is not None and isinstance(node.expression, Body) else None
        literal = _through_lets(inner.expression, lets) if inner is not None else None
        if isinstance(literal, NumberLiteral) and literal.unit in _BINARY:
            right = literal.digits + _BINARY[literal.unit]
            fix = Fix(f"write `{right}`", (Edit(literal.span, right),))
            thousands = "1,000" if literal.unit == "k" else "1,000,000"
            message = f"`{key}` is {literal.digits}{literal.unit}, which is decimal: {literal.digits} × {thousands}"
            findings.append(
                DECIMAL_LENGTH.finding(
                    message,
                    literal.span,
                    f"write `{right}` for the power of two, or the plain number if it is meant",
                    fix,
                )
            )
    return findings
