"""The cases whose traces are kept in `tests/memory/distributed_traces.json`."""

from pathlib import Path
from typing import Any

from tests.oracles.distributed.case import Case

GOLDEN = Path(__file__).resolve().parents[2] / "memory" / "distributed_traces.json"

LLAMA, SMALL, QWEN = "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.2-1B", "Qwen/Qwen2.5-7B"
MODELS = (
    "Qwen/Qwen3-4B", "Qwen/Qwen2.5-0.5B", "google/gemma-2b", "google/gemma-7b", "microsoft/Phi-3-mini-4k-instruct",
    "EleutherAI/pythia-1.4b", "openai-community/gpt2", "meta-llama/Llama-2-13b-hf", "mistralai/Mistral-Nemo-Base-2407",
    "bigcode/starcoder2-3b", "Qwen/Qwen2.5-14B", "HuggingFaceTB/SmolLM2-1.7B",
)  # fmt: skip
EXPERTS = ("mistralai/Mixtral-8x7B-v0.1", "Qwen/Qwen3-30B-A3B", "allenai/OLMoE-1B-7B-0924")
FEW = 4096
"""A vocabulary so small that a layer peaks, not the loss."""


def _case(model: str, layers: int, length: int, batch: int, **named: Any) -> Case:
    named.setdefault("dtype", "bf16")
    named.setdefault("activation_checkpointing", False)
    return Case(model, layers, length, batch, attention="sdpa", **named)


def _sharded() -> list[Case]:
    """FSDP2 over 2 to 1,024 ranks: models, precisions, checkpointing, few and many words."""
    cases = []
    for index, model in enumerate(MODELS):
        ranks, other = 2 ** (1 + index % 10), 2 ** (1 + (index * 3 + 4) % 9)
        cases.append(_case(model, 2, (512, 1024, 2048)[index % 3], 1 + index % 3, dtype="fp32", data=ranks))
        words = 0 if index % 3 else FEW
        checkpointed = index % 2 == 0
        cases.append(_case(model, 3, (2048, 512)[index % 2], 2, activation_checkpointing=checkpointed,
                           dtype=("bf16", "fp32")[index // 2 % 2], data=other, vocab_size=words))  # fmt: skip
    return cases


def _experts() -> list[Case]:
    """More ranks than experts too: FSDP2 breaks no row, so that the last ranks hold none."""
    cases = []
    for index, model in enumerate(EXPERTS):
        cases.append(_case(model, 2, 1024, 2, dtype="fp32", data=8))
        cases.append(_case(model, 2, 512, 1, activation_checkpointing=True, data=16 * 4**index))
        cases.append(_case(model, 1, 1024, 1, dtype="bf16", data=4, vocab_size=FEW))
    return cases


def _methods() -> list[Case]:
    """Adapters, last layers, and several micro-batches a step."""
    cases = []
    for index, (model, ranks) in enumerate(((SMALL, 4), (QWEN, 64), (LLAMA, 8), ("Qwen/Qwen3-4B", 256))):
        words = FEW if index % 2 else 0
        dtype = ("fp32", "bf16")[index % 2]
        targets = ("all", "attention")[index // 2]
        adapted: dict[str, Any] = {"method": "lora", "lora_rank": 8 * 2**index, "lora_targets": targets}
        partial: dict[str, Any] = {"method": "partial", "last_layers": 1 + index % 2, "head": index > 1}
        for named in (adapted, partial):
            cases.append(_case(model, 3, 1024, 2, dtype=dtype, data=ranks, vocab_size=words, **named))
            cases.append(_case(model, 3, 512, 1, dtype=dtype, data=ranks, activation_checkpointing=True, **named))
        cases.append(_case(model, 3, 1024, 1, dtype=dtype, data=ranks, accumulation=2 + index, vocab_size=words))
    return cases


def _tensor() -> list[Case]:
    """Tensor parallelism, with and without parts of the sequence, and FSDP2 over it."""
    cases = []
    for index, model in enumerate((LLAMA, QWEN, "Qwen/Qwen3-4B", "mistralai/Mistral-7B-v0.3", SMALL)):
        degree = 2 ** (1 + index % 3) if model != QWEN else 4
        for sequence in (True, False):
            shared: dict[str, Any] = {"tensor": degree, "sequence_parallel": sequence}
            cases.append(_case(model, 2, 2048, 2, vocab_size=FEW, **shared))
            cases.append(_case(model, 2, 1024, 1, activation_checkpointing=True, data=4, dtype="fp32", **shared))
            cases.append(_case(model, 3, 4096, 1, data=8, vocab_size=FEW, **shared))
    return cases


def _stages() -> list[Case]:
    """Stages of torch's 1F1B: the first, one in the middle, the last."""
    cases = []
    for stage in (0, 1, 3):
        shared: dict[str, Any] = {"pipeline": 4, "stage": stage, "accumulation": 8}
        cases.append(_case(LLAMA, 8, 2048, 1, stack="ddp", **shared))
        cases.append(_case(LLAMA, 8, 1024, 2, data=8, dtype="fp32", **shared))
        cases.append(_case(QWEN, 12, 1024, 1, data=2, activation_checkpointing=True, vocab_size=FEW, **shared))
    return cases


def _replicated() -> list[Case]:
    """DDP."""
    cases = []
    for index, model in enumerate((SMALL, QWEN, "openai-community/gpt2")):
        cases.append(_case(model, 3, 512, 1, stack="ddp", data=2 + 2 * index))
        cases.append(_case(model, 2, 1024, 1, stack="ddp", data=8, dtype="fp32", accumulation=1 + index))
    return cases


def _gathered() -> list[Case]:
    """FSDP2 without `reshard_after_forward`: weights stay gathered until their backward."""
    cases = []
    for index, model in enumerate((SMALL, QWEN, "openai-community/gpt2", "mistralai/Mixtral-8x7B-v0.1")):
        shared: dict[str, Any] = {"data": 4 * 2**index, "reshards": False, "vocab_size": FEW}
        cases.append(_case(model, 3, 512, 1, dtype="bf16", **shared))
        cases.append(_case(model, 2, 2048, 2, dtype="fp32", activation_checkpointing=index % 2 == 0, **shared))
    cases.append(_case(LLAMA, 3, 512, 1, dtype="bf16", data=8, reshards=False, accumulation=3))
    adapted: dict[str, Any] = {"method": "lora", "lora_rank": 8, "lora_targets": "all"}
    cases.append(_case(LLAMA, 3, 512, 1, dtype="bf16", data=8, reshards=False, **adapted))
    cases.append(_case(SMALL, 3, 512, 1, dtype="bf16", data=8, reshards=False, method="partial", last_layers=1))
    return cases


def golden_cases() -> list[Case]:
    """All of them."""
    return [*_sharded(), *_experts(), *_methods(), *_tensor(), *_stages(), *_replicated(), *_gathered()]
