"""`--set path=value`: the command line as the last layer over a file."""

from collections.abc import Iterable, Sequence
from typing import Any

from ftspec.core.finding import Finding
from ftspec.core.source import COMMAND_LINE, Span
from ftspec.spec.body import Body, Collector, Node
from ftspec.spec.evaluation_codes import BAD_SETTING
from ftspec.spec.fields import spec_paths
from ftspec.syntax.tree import Expression, Let, Name, Reference, StringLiteral

_PREFIX = "let value = "
_HELP = "write `--set path=value`, such as `--set parallelism.tensor=4`, or a `let`'s name for the path"


def apply_settings(settings: Sequence[str], root: Body, lets: dict[str, Node], layer: int) -> list[Finding]:
    """Lay `--set` texts over the bodies; a later one wins.

    Spans have the source COMMAND_LINE and the text's number as their line.
    """
    findings: list[Finding] = []
    for number, text in enumerate(settings, 1):
        collector = Collector(COMMAND_LINE, layer + number, lets)
        path, equals, value = text.partition("=")
        span = Span(number, 1, number, max(2, len(text) + 1), COMMAND_LINE)
        if not equals or not path.strip():
            findings.append(BAD_SETTING.finding("`--set` needs `path=value`", span, _HELP))
            continue
        if not value.strip():
            findings.append(BAD_SETTING.finding(f"`{path.strip()}` has no value", span, _HELP))
            continue
        if _is_plain_text(path.strip(), value.strip(), lets):
            expression: Expression | None = StringLiteral(value.strip(), span._replace(column=len(path) + 2))
        else:
            expression, found = _parse_value(value, number, len(path) + 1)
            findings += found
        if expression is not None:
            names = _names(path, number)
            problem = _assign(collector, root, names, expression)
            findings += collector.findings
            if problem:
                findings.append(BAD_SETTING.finding(problem, names[0].span.to(names[-1].span), _HELP))
    return findings


def _is_plain_text(path: str, value: str, lets: dict[str, Node]) -> bool:
    """Whether a value is the text of a field that takes a string, its quotes taken away by the shell."""
    if path not in spec_paths() or not spec_paths()[path][1].accepts.string:
        return False
    return value not in lets and value != "auto" and value[:1] not in ('"', "{", "[", "")


def _names(path: str, line: int) -> list[Name]:
    names: list[Name] = []
    column = 1
    for part in path.split("."):
        start = column + len(part) - len(part.lstrip())
        word = part.strip()
        names.append(Name(word, Span(line, start, line, start + max(1, len(word)), COMMAND_LINE)))
        column += len(part) + 1
    return names


def _parse_value(text: str, line: int, offset: int) -> tuple[Expression | None, list[Finding]]:
    """The expression of a setting, parsed by the one parser of the language; `offset` columns stand before it."""
    from ftspec.syntax.parser import parse

    tree, found = parse(f"ft 1\n{_PREFIX}{' '.join(text.splitlines())}")
    shift = offset - len(_PREFIX)
    findings = [_moved(finding, line, shift) for finding in found]
    if tree is None or findings:
        return None, findings
    if len(tree.statements) != 1 or not isinstance(tree.statements[0], Let):
        span = Span(line, offset + 1, line, offset + 1 + len(text), COMMAND_LINE)
        return None, [BAD_SETTING.finding("`--set` takes one value", span, _HELP)]
    return _moved(tree.statements[0].value, line, shift), []


def _moved(part: Any, line: int, shift: int) -> Any:
    """A tree or finding with its spans moved to where the text stands on the command line."""
    if isinstance(part, Span):
        return Span(line, max(1, part.column + shift), line, max(2, part.end_column + shift), COMMAND_LINE)
    if isinstance(part, tuple):
        moved = [_moved(each, line, shift) for each in part]
        return type(part)(*moved) if hasattr(part, "_fields") else tuple(moved)
    return part


def _assign(collector: Collector, root: Body, names: list[Name], value: Expression) -> str | None:
    """Put a value at a path, or say what is wrong with the path."""
    first = names[0]
    if len(names) == 1 and first.text in collector.lets and first.text not in spec_paths():
        collector.lets[first.text] = Node(first, value, collector.layer, None)
        return None
    if names[0].text not in spec_paths() or not all(name.text for name in names):
        return _unknown_start(names, collector.lets)
    body = root
    for name in names[:-1]:
        inner = _inner(collector, body, name)
        if inner is None:
            return f"`{name.text}` is written as an expression that nothing can be set in"
        body = inner
    collector.assign(body, names[-1], value, value.span)
    return None


def _unknown_start(names: list[Name], lets: Iterable[str]) -> str:
    from ftspec.core.suggest import nearest

    path = ".".join(name.text for name in names)
    meant = nearest(path, [*spec_paths(), *lets])
    hint = next((each for each in spec_paths() if each.endswith(f".{path}")), meant)
    return f"there is no `{path}` to set" + (f"; did you mean `{hint}`?" if hint else "")


def _inner(collector: Collector, body: Body, name: Name) -> Body | None:
    """The body of a key to set something in; made where there is none. A bare word becomes the word before it."""
    node = body.nodes.get(name.text)
    if node is not None and isinstance(node.expression, Body):
        return node.expression
    tag: Name | None = None
    if node is not None:
        if not isinstance(node.expression, Reference) or len(node.expression.parts) != 1:
            return None
        tag = Name(node.expression.text, node.expression.span)
    path = body.child_path(name.text)
    inner = Body(path, body.places, tag)
    if node is None:
        collector.place(body, name)
        node = body.nodes[name.text] = Node(name, inner, collector.layer, path)
    node.expression = inner
    return inner
