"""The tables of docs/language.md: every field and every unit, from the declarations that the checker reads."""

import re
from typing import Any

from ftspec.core.units import UNITS, Dimension
from ftspec.spec.fields import Field, fields_of, kind_words, spec_paths
from ftspec.spec.model import Spec
from ftspec.spec.values import quantity_text
from ftspec.spec.wording import expected

_DEFAULT = re.compile(r"\s*Default:? (.*?)\.?$")
_LARGEST_SHOWN = 1000


def _limits(field: Field) -> str:
    number = field.accepts.number
    if not (field.accepts.integer or field.accepts.real):
        return ""
    parts: list[str] = []
    for limit, sign in ((number.minimum, "≥"), (number.above, ">"), (number.maximum, "≤"), (number.below, "<")):
        if limit is not None and limit <= _LARGEST_SHOWN:
            parts.append(f"{sign} {quantity_text(limit, Dimension.NUMBER)}")
    return f" ({', '.join(parts)})" if parts else ""


def _row(field: Field) -> str:
    default = _DEFAULT.search(field.doc)
    meaning = _DEFAULT.sub("", field.doc)
    value = f"{expected(field.accepts._replace(auto=False))}{_limits(field)}"
    takes = "block, below" if _is_block(field) else value + (", or `auto`" if field.accepts.auto else "")
    return f"| `{field.key}` | {takes} | {default.group(1) if default else ''} | {meaning} |".replace("|  |", "| |")


def _is_block(field: Field) -> bool:
    accepts = field.accepts
    return bool(accepts.blocks) and not accepts.string and not any(kind_words(block) for block in accepts.blocks)


def _table(kind: type[Any], path: str) -> str:
    fields = [field for field in fields_of(kind).values() if not (field.key == "kind" and kind_words(kind))]
    if path == "":
        return "\n".join(["| key | takes | default | meaning |", "| --- | --- | --- | --- |", *map(_row, fields)])
    words = kind_words(kind)
    heading = f"#### `{path}`" + (f" with `{'`, `'.join(words)}`" if words else "")
    if not fields:
        return f"{heading}\n\nNo settings."
    return "\n".join(
        [heading, "", "| key | takes | default | meaning |", "| --- | --- | --- | --- |", *map(_row, fields)]
    )


def field_tables() -> str:
    """Every block's fields as Markdown tables, in the canonical order."""
    tables = [_table(Spec, "")]
    for path, (_, field) in spec_paths().items():
        tables += [_table(block, path) for block in field.accepts.blocks]
    return "\n\n".join(tables)


def unit_table() -> str:
    """Every unit as a Markdown table, by what it measures."""
    rows = ["| measures | units |", "| --- | --- |"]
    names = {
        Dimension.NUMBER: "a number (multipliers)",
        Dimension.BYTES: "bytes",
        Dimension.BYTES_PER_SECOND: "bytes or bits per second",
        Dimension.SECONDS: "time",
        Dimension.DOLLARS: "money",
    }
    for dimension, name in names.items():
        units = [f"`{unit}`" for unit, (measured, _) in UNITS.items() if measured is dimension]
        rows.append(f"| {name} | {' '.join(units)} |")
    return "\n".join(rows)


def between(text: str, name: str) -> str:
    """The part of a page between the markers of a generated table. Raises ValueError if it has none."""
    start, end = f"<!-- generated: {name} -->\n", f"\n<!-- end: {name} -->"
    return text[text.index(start) + len(start) : text.index(end)]


def with_tables(text: str) -> str:
    """A page with its generated tables brought up to date."""
    for name, table in (("units", unit_table()), ("fields", field_tables())):
        text = text.replace(between(text, name), table)
    return text
