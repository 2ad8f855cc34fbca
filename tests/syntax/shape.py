"""Trees as short texts, for tests that compare their shape."""

from ftspec.syntax import tree
from ftspec.syntax.parser import parse


def tree_of(text: str) -> tree.SpecTree:
    """The tree of a text without mistakes."""
    found, findings = parse(text)
    assert findings == []
    assert found is not None
    return found


def shape(node: object) -> str:
    """A node without spans: `x = 1 + y` is `(= x (+ 1 y))`."""
    match node:
        case tree.SpecTree(version, statements):
            return f"(ft {version.digits if version else None}{_body(statements)})"
        case tree.Name(text) | tree.Reference(text):
            return text if isinstance(text, str) else ".".join(text)
        case tree.NumberLiteral(digits, unit):
            return digits + (f"_{unit}" if unit else "")
        case tree.StringLiteral(value):
            return repr(value)
        case tree.Missing():
            return "?"
        case tree.BooleanLiteral(value):
            return "#true" if value else "#false"
        case tree.ListExpression(items):
            return f"[{' '.join(map(shape, items))}]"
        case tree.Tagged(tag, body):
            return f"{{{shape(tag) if tag else ''}{_body(body)}}}"
        case tree.Unary(operator, operand):
            return f"({operator} {shape(operand)})"
        case tree.Binary(operator, left, right):
            return f"({operator} {shape(left)} {shape(right)})"
        case tree.Conditional(condition, then, otherwise):
            return f"(if {shape(condition)} {shape(then)} {shape(otherwise)})"
        case tree.Call(function, arguments):
            return f"(call {shape(function)}{_body(arguments)})"
        case tree.Assignment(key, value):
            return f"(= {shape(key)} {shape(value)})"
        case tree.Block(name, body):
            return f"(block {shape(name)}{_body(body)})"
        case tree.Let(name, value):
            return f"(let {shape(name)} {shape(value)})"
        case tree.Import(path):
            return f"(import {shape(path)})"
        case tree.Target(name, body):
            return f"(target {shape(name)}{_body(body)})"
        case tree.Variant(name, body):
            return f"(variant {shape(name)}{_body(body)})"
        case tree.Assert(condition, message):
            return f"(assert {shape(condition)}{' ' + shape(message) if message else ''})"
    raise TypeError(type(node))


def _body(parts: tuple[object, ...]) -> str:
    return "".join(f" {shape(part)}" for part in parts)
