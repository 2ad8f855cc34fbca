"""Productions to nodes of the tree: one function per rule of the grammar, by its name."""

from collections.abc import Callable
from typing import Any

from ftspec.core.source import Span
from ftspec.syntax import tree
from ftspec.syntax.token import Token

Parts = list[Any]
"""The tokens and nodes of a production, those of its unnamed parts included."""


def _span(parts: Parts) -> Span:
    first, last = parts[0].span, parts[-1].span
    return Span(first[0], first[1], last[2], last[3])


def _name(token: Token) -> tree.Name:
    return tree.Name(token.text, token.span)


def _string(token: Token) -> tree.StringLiteral:
    return tree.StringLiteral(token.text, token.span)


def _number(token: Token) -> tree.NumberLiteral:
    text = token.text
    length = len(text)
    while text[length - 1] not in "0123456789":
        length -= 1
    return tree.NumberLiteral(text[:length], text[length:], token.span)


def _number_value(parts: Parts) -> tree.NumberLiteral | tree.Missing:
    token = parts[0]
    return tree.Missing(token.span) if token.guess else _number(token)


def _string_value(parts: Parts) -> tree.StringLiteral | tree.Missing:
    token = parts[0]
    return tree.Missing(token.span) if token.guess else _string(token)


def _reference(parts: Parts) -> tree.Reference | tree.Missing:
    if parts[0].guess or parts[-1].guess:
        return tree.Missing(_span(parts))
    return tree.Reference(tuple([part.text for part in parts[::2]]), _span(parts))


def _start(parts: Parts) -> tree.SpecTree:
    if parts and type(parts[0]) is tree.NumberLiteral:
        return tree.SpecTree(parts[0], tuple(parts[1:]))
    return tree.SpecTree(None, tuple(parts))


def _binary(parts: Parts) -> tree.Binary:
    return tree.Binary(parts[1].text, parts[0], parts[2], _span(parts))


def _unary(parts: Parts) -> tree.Unary:
    return tree.Unary(parts[0].text, parts[1], _span(parts))


def _assertion(parts: Parts) -> tree.Assert:
    message = _string(parts[3]) if len(parts) == 4 else None
    end = message or parts[1]
    return tree.Assert(parts[1], message, parts[0].span.to(end.span))


BUILDERS: dict[str, Callable[[Parts], Any]] = {
    "start": _start,
    "header": lambda parts: _number(parts[1]),
    "import_statement": lambda parts: tree.Import(_string(parts[1]), _span(parts)),
    "let": lambda parts: tree.Let(_name(parts[1]), parts[3], _span(parts)),
    "target": lambda parts: tree.Target(_name(parts[1]), tuple(parts[3:-1]), _span(parts)),
    "variant": lambda parts: tree.Variant(_string(parts[1]), tuple(parts[3:-1]), _span(parts)),
    "assertion": _assertion,
    "assignment": lambda parts: tree.Assignment(_name(parts[0]), parts[2], _span(parts)),
    "block": lambda parts: tree.Block(_name(parts[0]), tuple(parts[2:-1]), _span(parts)),
    "conditional": lambda parts: tree.Conditional(parts[1], parts[3], parts[5], _span(parts)),
    "disjunction": _binary,
    "conjunction": _binary,
    "comparison": _binary,
    "sum": _binary,
    "product": _binary,
    "negation": _unary,
    "minus": _unary,
    "number": _number_value,
    "string": _string_value,
    "true": lambda parts: tree.BooleanLiteral(True, parts[0].span),
    "false": lambda parts: tree.BooleanLiteral(False, parts[0].span),
    "reference": _reference,
    "list": lambda parts: tree.ListExpression(tuple(parts[1:-1:2]), _span(parts)),
    "call": lambda parts: tree.Call(_name(parts[0]), tuple(parts[2:-1:2]), _span(parts)),
    "tagged": lambda parts: tree.Tagged(_name(parts[0]), tuple(parts[2:-1]), _span(parts)),
    "bare": lambda parts: tree.Tagged(None, tuple(parts[1:-1]), _span(parts)),
    "parenthesised": lambda parts: parts[1]._replace(span=_span(parts)),
}
