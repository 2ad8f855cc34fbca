"""Tokens: the terminals of a text, each with its place."""

from typing import NamedTuple

from ftspec.core.source import Span

_LONGEST_QUOTE = 40


class Token(NamedTuple):
    """A terminal. `kind` is its name in the grammar; `text` is what was written, of a string its value.

    `guess`: it stands for text that nobody can understand; the value that it is part of is not known.
    """

    kind: str
    text: str
    span: Span
    guess: bool = False


def shortened(text: str) -> str:
    """A text as a message quotes it: no message is a page long."""
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"
