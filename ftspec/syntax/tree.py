"""The tree of a spec: what the parser makes of a text, every node with its span.

Two families: expressions (right of `=`) and statements (in a body). Tuples, because a check makes
hundreds of nodes and a pre-commit hook must be fast.
"""

from typing import NamedTuple, Union

from ftspec.core.source import Span


class Name(NamedTuple):
    """A word with its place: a key, a block's or a target's name."""

    text: str
    span: Span


class NumberLiteral(NamedTuple):
    """`80GiB`, `4Ki`, `1e-5`, `72h`. `digits` is the number as written, `unit` the suffix or ""."""

    digits: str
    unit: str
    span: Span


class StringLiteral(NamedTuple):
    """`"…"`, escapes resolved."""

    value: str
    span: Span


class BooleanLiteral(NamedTuple):
    """`true` or `false`."""

    value: bool
    span: Span


class Reference(NamedTuple):
    """A bare word (an enum value, `auto`, a `let`) or a dotted path (`parallelism.tensor`)."""

    parts: tuple[str, ...]
    span: Span

    @property
    def text(self) -> str:
        """The reference as written, without spaces."""
        return ".".join(self.parts)


class ListExpression(NamedTuple):
    """`["q_proj", "v_proj"]`."""

    items: tuple["Expression", ...]
    span: Span


class Tagged(NamedTuple):
    """`lora { rank = 16 }`, or with `tag` None a bare `{ kind = infiniband … }`."""

    tag: Name | None
    body: tuple["Statement", ...]
    span: Span


class Unary(NamedTuple):
    """`-x`, `not x`."""

    operator: str
    operand: "Expression"
    span: Span


class Binary(NamedTuple):
    """`a + b`; operators `+ - * / % < <= > >= == != and or`."""

    operator: str
    left: "Expression"
    right: "Expression"
    span: Span


class Conditional(NamedTuple):
    """`if a then b else c`."""

    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"
    span: Span


class Call(NamedTuple):
    """`min(a, b)`."""

    function: Name
    arguments: tuple["Expression", ...]
    span: Span


class Missing(NamedTuple):
    """A value that is not there or that nobody can understand. A finding says so; only incomplete trees have it."""

    span: Span


Expression = Union[  # noqa: UP007 (recursive through forward references)
    NumberLiteral,
    StringLiteral,
    BooleanLiteral,
    Reference,
    ListExpression,
    Tagged,
    Unary,
    Binary,
    Conditional,
    Call,
    Missing,
]


class Assignment(NamedTuple):
    """`key = value`. A raw block's key may be a quoted string."""

    key: Name
    value: Expression
    span: Span


class Block(NamedTuple):
    """`name { … }` inside a body or at the top."""

    name: Name
    body: tuple["Statement", ...]
    span: Span


class Let(NamedTuple):
    """`let name = value`."""

    name: Name
    value: Expression
    span: Span


class Import(NamedTuple):
    """`import "path"`."""

    path: StringLiteral
    span: Span


class Target(NamedTuple):
    """`target name { … }`."""

    name: Name
    body: tuple["Statement", ...]
    span: Span


class Variant(NamedTuple):
    """`variant "name" { … }`."""

    name: StringLiteral
    body: tuple["Statement", ...]
    span: Span


class Assert(NamedTuple):
    """`assert condition, "message"`; the message may be left out."""

    condition: Expression
    message: StringLiteral | None
    span: Span


Statement = Union[Assignment, Block, Let, Import, Target, Variant, Assert]  # noqa: UP007


class SpecTree(NamedTuple):
    """A whole text. `version` is the number of the `ft 1` header.

    `complete` is false where mistakes of syntax left something out or had to be guessed at.
    """

    version: NumberLiteral | None
    statements: tuple[Statement, ...]
    complete: bool = True
