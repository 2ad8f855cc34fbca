"""Names without their quotes that read as arithmetic: `gpu = H100-SXM5-80GB`."""

from functools import cache

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.spec.fields import spec_paths
from ftspec.spec.typed_codes import QUOTES
from ftspec.spec.values import shortened
from ftspec.syntax.tree import Binary, Expression, NumberLiteral, Reference


@cache
def text_paths() -> frozenset[str]:
    """The dotted paths of the fields that take a string: no operator makes one."""
    return frozenset(path for path, (_, field) in spec_paths().items() if field.accepts.string)


def bare_text(expression: Expression, path: str) -> Finding | None:
    """The finding for an expression in the place of a string, if it is written without spaces, as a name is."""
    text, span = _written(expression), expression.span
    if span.line != span.end_line or span.end_column - span.column != len(text):
        return None
    name = path.rpartition(".")[2]
    fix = Fix("put it in quotes", (Edit(span, f'"{text}"'),))
    message = f"`{name}` takes a string, and bare words are none"
    return QUOTES.finding(message, span, f'write `"{shortened(text)}"` in quotes', fix)


def _written(expression: Expression) -> str:
    """An expression without the spaces between its tokens; "" for one that has more than names and operators."""
    if type(expression) is Binary:
        return _written(expression.left) + expression.operator + _written(expression.right)
    if type(expression) is NumberLiteral:
        return expression.digits + expression.unit
    return expression.text if type(expression) is Reference else ""
