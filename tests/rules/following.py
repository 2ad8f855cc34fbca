"""Doing what a finding suggests: its trials read back from the text, and written into the spec."""

import re
from typing import NamedTuple

from ftspec.checked import Checked
from ftspec.pipeline import check_text

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
