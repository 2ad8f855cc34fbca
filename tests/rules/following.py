"""Doing what a finding suggests: its trials read back from the text, and written into the spec."""

import re
from dataclasses import fields
from functools import cache
from typing import NamedTuple

from ftspec.checked import Checked
from ftspec.pipeline import check_text
from ftspec.spec.model import Hardware, Model, Parallelism, Precision, Training

BLOCKS = {
    "model": Model,
    "hardware": Hardware,
    "precision": Precision,
    "training": Training,
    "parallelism": Parallelism,
}
_BLOCKS = {
    "hardware": ("nodes",),
    "precision": ("master_parameters",),
    "training": (
        "stack",
        "method",
        "sequence_length",
        "micro_batch_size",
        "global_batch_size",
        "gradient_accumulation_steps",
        "activation_checkpointing",
        "attention",
        "loss",
    ),
}
_BLOCK_OF = {name: block for block, names in _BLOCKS.items() for name in names}


class Suggestion(NamedTuple):
    """What to write, as texts of `--set`, and the memory that it comes to (as it is shown)."""

    settings: tuple[str, ...]
    memory: str


def suggestions(text: str) -> list[Suggestion]:
    """The trials that a message or a help tells: `tensor = 8  zero_stage = 1 (30.1 GiB)`."""
    told = re.findall(r"([a-z_]+(?: = | \{)[^;()]*?) \(([\d,.]+ GiB)\)", text)
    return [Suggestion(_settings(changes), memory) for changes, memory in told]


def _settings(changes: str) -> tuple[str, ...]:
    settings = []
    for change in re.findall(r"[a-z_]+ \{[^}]*\}|[a-z_]+ = \w+(?: \{[^}]*\})?", changes):
        offload = re.match(r"offload \{(.*)\}", change)
        if offload:
            settings += [f"parallelism.offload.{each}" for each in re.findall(r"\w+ = \w+", offload[1])]
        else:
            name = change.partition(" = ")[0]
            settings.append(f"{_BLOCK_OF.get(name, 'parallelism')}.{change}")
    return tuple(settings)


def followed(text: str, suggestion: Suggestion) -> Checked:
    """The check of a text with a suggestion written into it."""
    return check_text(text, "job.ft", suggestion.settings)


def shown_memory(checked: Checked) -> str:
    """What the fullest GPU of the fullest stack needs, as findings show it."""
    return f"{max(job.memory.peak_bytes for job in checked.jobs) / 2**30:,.1f} GiB"


def complaints(checked: Checked) -> set[str]:
    """The codes of errors and warnings."""
    return {finding.code for finding in checked.findings if finding.severity != "note"}


_VALUES = r"[\w.]+(?:(?:, (?!or |as |and )| or )[\w.]+)*"
_NOT_VALUES = {"less", "more", "so", "leave", "remove", "write", "use", "a", "another", "run"}


@cache
def _blocks_of_names() -> dict[str, str]:
    """The block of each key that only one block has."""
    found: dict[str, set[str]] = {}
    for block, kind in BLOCKS.items():
        for each in fields(kind):
            found.setdefault(each.name, set()).add(block)
    return {name: next(iter(blocks)) for name, blocks in found.items() if len(blocks) == 1}


def written_values(help: str) -> list[tuple[str, ...]]:
    """What a help says to write first (`write tensor = 2, 4 or 8`), as the texts of `--set`, one for each value."""
    told = re.match(rf"write ([a-z_]+) = ({_VALUES})((?: (?:and|with) [a-z_]+ = [\w.]+)*)", help)
    if told is None or told[1] not in _blocks_of_names():
        return []
    beside = re.findall(r"([a-z_]+) = ([\w.]+)", told[3])
    values = [value for value in re.split(r", | or ", told[2]) if value not in _NOT_VALUES]
    return [
        tuple(f"{_blocks_of_names()[name]}.{name}={value}" for name, value in [(told[1], value), *beside])
        for value in values
    ]
