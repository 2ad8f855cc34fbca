"""The cases whose traces are kept in `tests/memory/traces.json`, and how a trace is kept: one line a row."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from tests.oracles.traces.case import Case

GOLDEN = Path(__file__).resolve().parents[2] / "memory" / "traces.json"

DENSE = (
    "meta-llama/Llama-3.2-3B", "meta-llama/Llama-2-13b-hf", "meta-llama/Llama-3.1-8B", "codellama/CodeLlama-34b-hf",
    "Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-14B", "Qwen/Qwen1.5-4B", "Qwen/Qwen3-4B", "Qwen/Qwen3-32B",
    "mistralai/Mistral-Nemo-Base-2407", "mistralai/Mistral-Small-24B-Base-2501", "mistralai/Mistral-7B-v0.1",
    "google/gemma-2b", "google/gemma-7b", "google/gemma-3-1b-pt", "google/gemma-3-12b-pt",
    "microsoft/Phi-3-mini-4k-instruct", "microsoft/Phi-3-medium-4k-instruct", "microsoft/phi-4", "microsoft/phi-2",
    "allenai/OLMo-1B-hf", "allenai/OLMo-2-1124-7B", "allenai/Olmo-3-1025-7B", "CohereForAI/aya-23-8B",
    "CohereForAI/c4ai-command-r7b-12-2024", "tiiuae/falcon-7b", "tiiuae/falcon-40b", "EleutherAI/pythia-1.4b",
    "EleutherAI/gpt-neox-20b", "openai-community/gpt2", "openai-community/gpt2-large", "facebook/opt-1.3b",
    "facebook/opt-6.7b", "stabilityai/stablelm-3b-4e1t", "stabilityai/stablelm-2-12b",
    "ibm-granite/granite-3.1-2b-base", "THUDM/GLM-4-9B-0414", "THUDM/glm-4-9b-hf", "bigcode/starcoder2-3b",
    "bigcode/starcoderbase-1b", "internlm/internlm3-8b-instruct", "HuggingFaceTB/SmolLM3-3B",
    "HuggingFaceTB/SmolLM2-1.7B", "01-ai/Yi-1.5-9B", "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T",
    "nvidia/Minitron-4B-Base", "openbmb/MiniCPM3-4B", "ByteDance-Seed/Seed-OSS-36B-Base",
)  # fmt: skip
EAGER_ONLY = ("google/gemma-2-2b", "google/gemma-2-9b", "bigscience/bloom-1b1", "EleutherAI/gpt-j-6b")
"""Classes without a fused kernel."""
EXPERTS = (
    "Qwen/Qwen3-30B-A3B", "Qwen/Qwen1.5-MoE-A2.7B", "mistralai/Mixtral-8x7B-v0.1", "allenai/OLMoE-1B-7B-0924",
    "deepseek-ai/DeepSeek-V2-Lite", "moonshotai/Moonlight-16B-A3B", "ibm-granite/granite-3.1-1b-a400m-base",
    "zai-org/GLM-4.5-Air", "MiniMaxAI/MiniMax-M2.5",
)  # fmt: skip
_LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
_TOKENS = 16384
_OTHER_BUFFERS = "starcoderbase"
"""A model without a case of qlora: it has buffers besides the scales."""


def _dense(model: str, index: int) -> list[Case]:
    """A step of each kind, so that lengths, micro-batches, checkpointing, precisions and methods go round."""
    length, other = _LENGTHS[index % 6], _LENGTHS[(index + 3) % 6]
    batch, few = min(8, max(1, _TOKENS // length)), min(2, max(1, _TOKENS // other))
    cases = [
        Case(model, 2, length, batch, index % 3 == 0, "sdpa", "bf16"),
        Case(model, 3, other, few, index % 2 == 0, "sdpa", "fp32"),
    ]
    eager = 1024 if index % 2 else 512
    if index % 3 == 0:
        cases.append(Case(model, 2, eager, 1, index % 2 == 0, "eager", "bf16" if index % 4 else "fp32"))
    adapted: dict[str, Any] = {"lora_rank": (8, 16, 64)[index % 3], "lora_targets": ("all", "attention")[index % 2]}
    plain: dict[str, Any] = {"model": model, "attention": "sdpa", "dtype": ("bf16", "fp32")[index // 2 % 2]}
    if index % 4 < 2:
        cases.append(Case(**plain, num_hidden_layers=2, sequence_length=length, micro_batch_size=1,
                          activation_checkpointing=index % 4 == 0, method="lora", **adapted))  # fmt: skip
    elif _OTHER_BUFFERS not in model:
        cases.append(Case(**plain, num_hidden_layers=2, sequence_length=other, micro_batch_size=1,
                          activation_checkpointing=index % 4 == 2, method="qlora",
                          double_quantization=index % 8 > 3, **adapted))  # fmt: skip
    if index % 2:
        cases.append(Case(**plain, num_hidden_layers=3, sequence_length=2048, micro_batch_size=2,
                          activation_checkpointing=index % 3 == 1, method="partial", last_layers=1 + index // 4 % 2,
                          head=index % 4 == 1, embeddings=index % 8 == 1))  # fmt: skip
    return cases


def golden_cases() -> list[Case]:
    """All of them: dense models, those without a fused kernel, those with experts."""
    cases = [case for index, model in enumerate(DENSE) for case in _dense(model, index)]
    for index, model in enumerate(EAGER_ONLY):
        cases.append(Case(model, 2, 1024, 1, index % 2 == 0, "eager", "bf16"))
        cases.append(Case(model, 2, 512, 2, index % 2 == 1, "eager", "fp32"))
    for index, model in enumerate(EXPERTS):
        cases.append(Case(model, 2, _LENGTHS[index % 5], 1, index % 2 == 0, "sdpa", "bf16"))
        cases.append(Case(model, 3, 2048, 1 + index % 3, index % 2 == 1, "sdpa", "bf16"))
    return cases


def compact(case: Case) -> dict[str, Any]:
    """The case without what it leaves at its default."""
    return {each.name: value for each in fields(case) if (value := getattr(case, each.name)) != each.default}
