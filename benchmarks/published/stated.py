"""Which rows state a configuration that a spec can say: a rule gives a reason to leave a row out, whatever its error.

Rules about the configuration come first; they hold for peaks and for outcomes. Rules about the figure hold for peaks.
"""

from collections.abc import Callable, Iterator

from benchmarks.published.blocks import Row
from benchmarks.published.families import family_of

Rule = tuple[str, Callable[[Row], bool]]
"""A reason, and whether a row is left out for it."""

METHODS = ("full", "pretrain", "lora", "qlora")
VARIANTS = ("galore", "lisa", "packing+lazytokenize", "adalora")


def _length_is_a_limit(row: Row) -> bool:
    family = family_of(row)
    return family is not None and not family.length_run and not row.get("packed_sequence")


def _no_word_for_optimizer(row: Row) -> bool:
    said = str(row.get("optimizer"))
    return bool(row.get("optimizer_in_backward")) or "paged" in said or "4-bit" in said or "low-memory" in said


CONFIGURATION: tuple[Rule, ...] = (
    ("the source has no reader", lambda row: family_of(row) is None),
    (
        "another method than full, LoRA and QLoRA",
        lambda row: (
            row["method"] not in METHODS
            or bool(row.get("dora"))
            or any(variant in str(row.get("experiment")) for variant in VARIANTS)
        ),
    ),
    ("an encoder-decoder model", lambda row: "encoder-decoder" in str(row.get("architecture"))),
    (
        "4-bit or 8-bit weights that are not NF4",
        lambda row: str(row.get("quantization")).startswith(("gptq", "int8", "bnb")),
    ),
    ("embeddings trained beside adapters", lambda row: bool(row.get("trains_embeddings"))),
    ("the model is split over GPUs by a device map", lambda row: "device_map" in str(row.get("sharding"))),
    (
        "torch.compile or Thunder: a spec has no word for fused operations",
        lambda row: bool(row.get("compile")) or "thunder" in row["stack"],
    ),
    (
        "every second layer is recomputed: a spec has no word for it",
        lambda row: "2nd layer" in str(row.get("recompute")),
    ),
    (
        "activations are moved to the host: a spec has no word for it",
        lambda row: bool(row.get("activation_offload")) or "offloaded" in str(row.get("gradient_checkpointing")),
    ),
    ("an optimizer that is paged, in 4 bits or inside the backward pass", _no_word_for_optimizer),
    (
        "adapters beside frozen weights in one flat parameter (FSDP 1): frozen weights get gradients too",
        lambda row: "litgpt" in row["source"] and row["method"] == "lora" and row.get("zero_stage") == 3,
    ),
    (
        "dropout 0.1 in activations that are kept (Megatron's default): ftspec trains without",
        lambda row: "bigscience" in row["source"] and row.get("recompute") == "none",
    ),
    (
        "sequence length or micro-batch size is not stated",
        lambda row: not row.get("seq") or not row.get("micro_batch_size"),
    ),
    ("the length is a limit: what was run is not stated", _length_is_a_limit),
    ("something else lay on the GPU, as the source says", lambda row: "extra memory on" in str(row.get("note"))),
    ("something else is not stated", lambda row: bool((family := family_of(row)) and family.unknown)),
)
"""Rules about what was run."""

FIGURE: tuple[Rule, ...] = (
    ("no figure: an outcome only", lambda row: not row.get("peak_memory")),
    ("summed over GPUs", lambda row: row.get("memory_scope") == "sum_over_gpus"),
    (
        "what was measured is not stated (allocated, reserved or of the process)",
        lambda row: kind_of(row) is None,
    ),
)
"""Rules about what was measured."""


def kind_of(row: Row) -> str | None:
    """What a row's figure is: `allocated` or `reserved` by torch, or all of the `process` (nvidia-smi)."""
    said = f"{row.get('memory_kind') or ''} {row.get('peak_memory_unit') or ''}"
    if said.startswith(("unknown", "as noted")) or "presumably" in said:
        return None
    words = {"allocated": "allocated", "active": "allocated", "reserved": "reserved", "nvidia-smi": "process"}
    return next((kind for word, kind in words.items() if word in said), None)


def reasons(row: Row, rules: tuple[Rule, ...]) -> Iterator[str]:
    """Why a row is left out, the first reason first."""
    for reason, leaves_out in rules:
        if leaves_out(row):
            yield reason
