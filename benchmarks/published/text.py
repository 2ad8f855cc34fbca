"""The text of a spec, written from nested blocks."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Blocks = dict[str, dict[str, Any]]
"""Blocks of a spec by name, each with its keys. A string is written quoted, a `Word` is not; None is left out."""


class Word(NamedTuple):
    """A word of the language, with its own settings: `lora { rank = 16 }`."""

    word: str
    settings: Mapping[str, Any] = {}


def _written(value: Any) -> str:
    if isinstance(value, Word):
        return f"{value.word} {_block(value.settings)}" if value.settings else value.word
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(_written(each) for each in value) + "]"
    return str(value)


def _block(keys: Mapping[str, Any]) -> str:
    written = [
        f"{key} {_block(value)}" if isinstance(value, Mapping) else f"{key} = {_written(value)}"
        for key, value in keys.items()
        if value is not None
    ]
    return "{ " + "  ".join(written) + " }"


def spec_text(name: str, blocks: Blocks) -> str:
    """A whole spec. What is None is left to ftspec's defaults."""
    lines = [f"{block} {_block(keys)}" for block, keys in blocks.items() if any(v is not None for v in keys.values())]
    return "\n".join(["ft 1", f'name = "{name}"', *lines, ""])
