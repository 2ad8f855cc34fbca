"""Tokens: the terminals of a text, each with its place."""

from typing import NamedTuple

from ftspec.core.source import Span


class Token(NamedTuple):
    """A terminal. `kind` is its name in the grammar; `text` is what was written, of a string its value."""

    kind: str
    text: str
    span: Span
