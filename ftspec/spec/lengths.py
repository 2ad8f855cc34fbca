"""Lengths in tokens, which are powers of two: `4Ki`, hardly ever `4k`."""

from collections.abc import Mapping
from typing import Any

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.spec.body import Body, Node
from ftspec.spec.typed_codes import DECIMAL_LENGTH
from ftspec.syntax.tree import NumberLiteral, Reference

LENGTHS = ("training.sequence_length", "model.max_position_embeddings")
"""The fields that are lengths."""

BINARY = {"k": "Ki", "M": "Mi"}
"""The binary multiplier that is meant by a decimal one."""


def _through_lets(expression: Any, lets: Mapping[str, Node]) -> Any:
    """What an expression is, or the value of the `let` of the file that it is the name of."""
    if isinstance(expression, Reference) and expression.text in lets:
        return lets[expression.text].expression
    return expression


def decimal_lengths(root: Body, lets: Mapping[str, Node]) -> list[Finding]:
    """Lengths in tokens that are written with a decimal multiplier."""
    findings: list[Finding] = []
    for path in LENGTHS:
        block, key = path.split(".")
        node = root.nodes.get(block)
        inner = node.expression.nodes.get(key) if node is not None and isinstance(node.expression, Body) else None
        literal = _through_lets(inner.expression, lets) if inner is not None else None
        if isinstance(literal, NumberLiteral) and literal.unit in BINARY:
            right = literal.digits + BINARY[literal.unit]
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
