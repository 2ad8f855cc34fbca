"""Places in a spec: a span of a text, counted as editors count (from 1, end exclusive)."""

from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of text. Lines and columns count from 1, columns in characters; the end is exclusive.

    `source` names the text where it is not the spec's own file: COMMAND_LINE, whose n-th line is the n-th `--set`.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    source: str = ""

    def to(self, other: "Span") -> "Span":
        """The span that begins where this one begins and ends where `other` ends."""
        return Span(self.line, self.column, other.end_line, other.end_column, self.source)


START = Span(1, 1, 1, 1)
"""Where a finding about a file as a whole points."""


COMMAND_LINE = "--set"
"""The source of spans in values that were set on the command line."""


class Place(NamedTuple):
    """Where a value was written: the file, the key's span and the value's span."""

    path: str
    key: Span
    value: Span
