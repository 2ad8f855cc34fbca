"""Families of sources: which stack ran, and what its scripts set that the rows do not repeat."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.published.blocks import Row, blocks_of
from benchmarks.published.text import Blocks, Word

Adapter = Callable[[Row], Blocks]


@dataclass(frozen=True)
class Family:
    """Sources whose rows are read alike: a part of their `source`, and how a row becomes blocks of a spec. `length_run`
    says whether `seq` is the length of the fullest batch, or only a limit; `unknown` what else a source leaves open.
    """

    name: str
    marks: tuple[str, ...]
    adapter: Adapter
    length_run: bool = True
    unknown: str = ""


def _sharded(row: Row) -> bool:
    return row.get("zero_stage") == 3


def _megatron(row: Row) -> Blocks:
    return blocks_of(row, "megatron")


def _bigscience(row: Row) -> Blocks:
    if row["stack"].startswith("HF"):
        return blocks_of(row, "deepspeed")
    return blocks_of(row, "megatron" if row["stack"] == "Megatron-LM" else "megatron_deepspeed")


def _torchtitan(row: Row) -> Blocks:
    """fp32 parameters with a bf16 policy; a local batch is cut into micro-batches of one for a pipeline."""
    blocks = blocks_of(row, "fsdp2")
    blocks["precision"]["parameters"] = Word("fp32")
    if (row.get("pipeline_parallel") or 1) > 1:
        steps = row["micro_batch_size"]
        blocks["training"] |= {"micro_batch_size": 1, "gradient_accumulation_steps": steps, "global_batch_size": None}
    return blocks


def _litgpt(row: Row) -> Blocks:
    """Everything in bf16 under `bf16-true`, adapters too; fine-tuning computes the loss in chunks. The resource tables
    are of a version that runs the longest sample first (finetune/lora.py, `longest_seq_ix`).
    """
    true = "true" in row["precision"]
    blocks = blocks_of(row, "fsdp2" if _sharded(row) else "ddp", "bf16" if true else "fp32")
    blocks["precision"]["parameters"] = Word("bf16" if true else "fp32")
    if row["method"] != "pretrain":
        blocks["training"]["loss"] = Word("chunked")
    return blocks


def _bf16(row: Row) -> Blocks:
    """torchtune and fsdp_qlora: everything in bf16, adapters too."""
    blocks = blocks_of(row, "fsdp2" if _sharded(row) else "ddp", "bf16")
    blocks["precision"]["parameters"] = Word("bf16")
    if row.get("chunked_cross_entropy"):
        blocks["training"]["loss"] = Word("chunked")
    return blocks


def _ao(row: Row) -> Blocks:
    return _torchtitan(row) if "torchtitan" in row["stack"] else _bf16(row)


def _huggingface(row: Row) -> Blocks:
    """The Trainer: DeepSpeed where there is a ZeRO stage, else one process alone; Liger's loss where it is said."""
    if "Megatron" in row["stack"]:
        return _megatron(row)
    blocks = blocks_of(row, "deepspeed" if row.get("zero_stage") else "ddp")
    if row.get("fused_cross_entropy") or row.get("arg_use_liger_kernel"):
        blocks["training"]["loss"] = Word("fused")
    return blocks


def _internevo(row: Row) -> Blocks:
    return blocks_of(row, "fsdp2" if _sharded(row) else "megatron")


FAMILIES = (
    Family("Megatron-LM (SimuMax)", ("SimuMax",), _megatron),
    Family("Megatron-DeepSpeed (BigScience)", ("bigscience-workshop/bigscience",), _bigscience),
    Family("torchtitan", ("pytorch/torchtitan",), _torchtitan),
    Family("torchtitan and torchtune (torchao)", ("pytorch/ao",), _ao),
    Family("torchtune", ("meta-pytorch/torchtune",), _bf16, length_run=False),
    Family("LitGPT config_hub", ("litgpt config_hub",), _litgpt, length_run=False),
    Family("LitGPT", ("Lightning-AI/litgpt",), _litgpt),
    Family("fsdp_qlora", ("AnswerDotAI/fsdp_qlora",), _bf16),
    Family("transformers with DeepSpeed", ("stas00/ml-engineering",), _huggingface),
    Family("PEFT comparison", ("peft method_comparison",), _huggingface, length_run=False),
    Family("PEFT README", ("huggingface/peft README",), _huggingface, unknown="batch and length are not stated"),
    Family("Qwen finetune.py", ("QwenLM/Qwen README",), _huggingface),
    Family("Qwen recipes", ("QwenLM/Qwen recipes",), _huggingface, length_run=False),
    Family("ms-swift", ("modelscope/ms-swift",), _huggingface, length_run=False),
    Family("unsloth", ("unslothai/unsloth",), _huggingface, unknown="limits that are probably fitted, not run"),
    Family("InternEvo", ("InternLM/InternEvo",), _internevo),
    Family(
        "Colossal-AI",
        ("hpcaitech/ColossalAI",),
        _huggingface,
        unknown="whether activations are recomputed is not stated",
    ),
)


def family_of(row: Row) -> Family | None:
    """The family of a row's source; None if nobody knows how it is to be read."""
    return next((each for each in FAMILIES if any(mark in row["source"] for mark in each.marks)), None)
