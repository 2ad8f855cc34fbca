"""The parse table: what lark makes of `grammar/ftspec.lark`, kept beside it as data.

Importing lark and building the table takes longer than a whole check, so the table is written once
(`python -m ftspec.syntax.generate_table`) and shipped. It carries the grammar's text; where that is not
the grammar of this installation, the table is made anew in memory.
"""

import re
from functools import cache
from typing import NamedTuple

from ftspec.core.resources import read_resource

GRAMMAR_FILE = "ftspec.lark"
TABLE_FILE = "ftspec.table.json"
END = "$END"
"""The terminal that stands for the end of the text."""


class TableRule(NamedTuple):
    """One production. Names that begin with `_` are not nodes: what they hold belongs to their parent."""

    origin: str
    length: int


class ParseTable(NamedTuple):
    """An LALR(1) automaton with its lexer.

    `states[s][symbol]` is the state to go to, or `-1 - r` to reduce by rule `r`.
    """

    lexer: re.Pattern[str]
    ignored: frozenset[str]
    keywords: dict[str, str]
    literals: dict[str, str]
    rules: tuple[TableRule, ...]
    states: tuple[dict[str, int], ...]
    start: int
    end: int


def table_from(data: dict[str, object]) -> ParseTable:
    """A table from its JSON form (see `generate_table.table_data`)."""
    fields: dict = data  # type: ignore[type-arg]
    return ParseTable(
        lexer=re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in fields["terminals"])),
        ignored=frozenset(fields["ignored"]),
        keywords=fields["keywords"],
        literals=fields["literals"],
        rules=tuple(TableRule(origin, length) for origin, length in fields["rules"]),
        states=tuple(fields["states"]),
        start=fields["start"],
        end=fields["end"],
    )


@cache
def load_table() -> ParseTable:
    """The table of the shipped grammar.

    Raises FileNotFoundError if the installation lacks the grammar (a packaging fault of ours).
    """
    grammar = read_resource("grammar", GRAMMAR_FILE)
    data = _shipped_table()
    if data is None or data.get("grammar") != grammar:
        from ftspec.syntax.generate_table import table_data

        data = table_data(grammar)
    return table_from(data)


def _shipped_table() -> dict[str, object] | None:
    import json

    try:
        data = json.loads(read_resource("grammar", TABLE_FILE))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
