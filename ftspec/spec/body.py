"""Bodies: what is written where, layer over layer, before anything is evaluated.

A layer is a file, a variant or the command line. Within a layer a thing is written once; a later layer
overrides. Blocks merge key by key, everything else is replaced whole.
"""

from collections.abc import Iterable
from typing import Any

from ftspec.core.finding import Finding
from ftspec.core.source import Place, Span
from ftspec.spec.evaluation_codes import TAKEN_NAME, written_twice
from ftspec.syntax.tree import Assignment, Block, Expression, Let, ListExpression, Name, Statement, Tagged


class Node:
    """One written key or `let`: its value's expression (or body) and, once asked for, its value.

    `path` is the dotted path of a key, None of a `let` and inside one.
    """

    __slots__ = ("expression", "key", "layer", "path", "result", "state")

    def __init__(self, key: Name, expression: "Expression | Body", layer: int, path: str | None) -> None:
        self.key = key
        self.expression = expression
        self.layer = layer
        self.path = path
        self.state = 0
        self.result: Any = None

    @property
    def label(self) -> str:
        """How messages call it."""
        return self.path or self.key.text


class Body:
    """The keys of one block. `tag` is the word before `{`; `path` its dotted path, None inside a `let`."""

    __slots__ = ("nodes", "path", "places", "tag")

    def __init__(self, path: str | None, places: dict[str, Place], tag: Name | None = None) -> None:
        self.nodes: dict[str, Node] = {}
        self.path = path
        self.places = places
        self.tag = tag

    def child_path(self, key: str) -> str | None:
        """The dotted path of a key of this body."""
        if self.path is None:
            return None
        return f"{self.path}.{key}" if self.path else key


class Collector:
    """Puts the statements of one layer into bodies and `lets`. `path` is the text's name for places."""

    def __init__(self, path: str, layer: int, lets: dict[str, Node]) -> None:
        self.path = path
        self.layer = layer
        self.lets = lets
        self.findings: list[Finding] = []

    def collect(self, statements: Iterable[Statement], body: Body) -> None:
        """Add keys, blocks and `let`s to a body."""
        for statement in statements:
            if type(statement) is Assignment:
                self.assign(body, statement.key, statement.value, statement.value.span)
            elif type(statement) is Block:
                self._block(body, statement.name, statement.body, statement.span)
            elif type(statement) is Let:
                self._let(statement)

    def assign(self, body: Body, key: Name, value: Expression, span: Span) -> None:
        """`key = value`; a value with a body is collected too, so that its keys have places.

        `key = { … }` says the same as `key { … }`.
        """
        if type(value) is Tagged and value.tag is None:
            self._block(body, key, value.body, span)
            return
        node = self._node(body, key, value, span)
        if node is not None and type(value) is Tagged:
            node.expression = self.tagged(value, body.child_path(key.text), body.places)
        elif node is not None and node.path is not None and type(value) is ListExpression:
            for index, item in enumerate(value.items):
                body.places[f"{node.path}.{index}"] = Place(self.path, item.span, item.span)

    def tagged(self, value: Tagged, path: str | None, places: dict[str, Place]) -> Body:
        """The body of `lora { … }`."""
        inner = Body(path, places, value.tag)
        self.collect(value.body, inner)
        return inner

    def place(self, body: Body, key: Name) -> None:
        """Record where a key without a value of its own is written."""
        path = body.child_path(key.text)
        if path is not None:
            body.places[path] = Place(self.path, key.span, key.span)

    def _block(self, body: Body, key: Name, statements: Iterable[Statement], span: Span) -> None:
        older = body.nodes.get(key.text)
        if older is not None and older.layer < self.layer and type(older.expression) is Body:
            older.layer = self.layer
            self.collect(statements, older.expression)
            return
        inner = Body(body.child_path(key.text), body.places)
        if self._node(body, key, inner, span) is not None:
            self.collect(statements, inner)

    def _node(self, body: Body, key: Name, value: "Expression | Body", span: Span) -> Node | None:
        """The new node of a key, or None if this layer has it already."""
        older = body.nodes.get(key.text)
        if older is not None and older.layer == self.layer:
            self.findings.append(written_twice(f"`{key.text}`", key.span, older.key.span))
            return None
        path = body.child_path(key.text)
        if path is not None:
            if older is not None:
                _forget(body.places, path)
            body.places[path] = Place(self.path, key.span, span)
        node = body.nodes[key.text] = Node(key, value, self.layer, path)
        return node

    def _let(self, let: Let) -> None:
        older = self.lets.get(let.name.text)
        if older is not None and older.layer == self.layer:
            self.findings.append(written_twice(f"`let {let.name.text}`", let.name.span, older.key.span))
        elif let.name.text == "auto":
            self.findings.append(
                TAKEN_NAME.finding(
                    "`auto` is a value of the language and cannot be the name of a `let`",
                    let.name.span,
                    "choose another name",
                )
            )
        else:
            self.lets[let.name.text] = Node(let.name, let.value, self.layer, None)


def _forget(places: dict[str, Place], path: str) -> None:
    """Drop the places of everything below a value that a later layer replaces."""
    for stale in [each for each in places if each.startswith(path + ".")]:
        del places[stale]
