"""The cases whose traces are kept in `tests/memory/traces.json`, and how a trace is kept: one line a row."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

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
_ADAPTED: tuple[tuple[str, Literal["lora", "qlora"], int, str], ...] = (
    ("Qwen/Qwen3-30B-A3B", "lora", 16, "all"), ("Qwen/Qwen3-30B-A3B", "qlora", 8, "attention"),
    ("Qwen/Qwen3-30B-A3B", "lora", 8, "q_proj,down_proj"), ("mistralai/Mixtral-8x7B-v0.1", "lora", 16, "all"),
    ("mistralai/Mixtral-8x7B-v0.1", "lora", 8, "v_proj,gate,w1,w2,w3"),
    ("deepseek-ai/DeepSeek-V2-Lite", "lora", 16, "all"),
    ("deepseek-ai/DeepSeek-V2-Lite", "qlora", 8, "kv_b_proj,gate_proj,up_proj,down_proj"),
    ("moonshotai/Moonlight-16B-A3B", "lora", 16, "attention"), ("allenai/OLMoE-1B-7B-0924", "qlora", 16, "all"),
    ("Qwen/Qwen1.5-MoE-A2.7B", "lora", 16, "all"), ("Qwen/Qwen1.5-MoE-A2.7B", "qlora", 16, "o_proj,gate_proj,up_proj"),
    ("zai-org/GLM-4.5-Air", "qlora", 16, "all"), ("MiniMaxAI/MiniMax-M2.5", "lora", 8, "all"),
    ("ibm-granite/granite-3.1-1b-a400m-base", "lora", 16, "all"), ("baidu/ERNIE-4.5-21B-A3B-PT", "lora", 8, "all"),
)  # fmt: skip
"""Adapters on models with experts: model, method, rank and targets."""
_NAMED = (
    ("EleutherAI/pythia-1.4b", "query_key_value,dense_h_to_4h"), ("openai-community/gpt2-large", "c_proj"),
    ("facebook/opt-1.3b", "q_proj,fc1,fc2"), ("bigcode/starcoder2-3b", "o_proj,c_fc"),
)  # fmt: skip
"""Targets by the names of a class's own."""
_PACKED = (("tiiuae/falcon-7b", "all"), ("tiiuae/falcon-40b", "attention"), ("openai-community/gpt2", "attention"))
"""4-bit weights beside classes that are not packed or are no `nn.Linear`."""
_COPIED = ("EleutherAI/pythia-1.4b", "microsoft/Phi-3-mini-4k-instruct", "google/gemma-2b", "tiiuae/falcon-7b")
"""Models whose products of heads copy their operands with several sequences."""
_SMALL_VOCABULARY = 1024
"""Of cases that are about layers."""
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


def _adapted() -> list[Case]:
    """Adapters on experts, checkpointed or not; adapters by name; 4-bit weights of unusual classes; clamped gates."""
    cases = []
    for index, (model, method, rank, targets) in enumerate(_ADAPTED):
        plain = Case(model, 2, (1024, 2048)[index % 2], 1, index % 3 == 2, "sdpa", "bf16", method, rank, targets)
        cases.append(replace(plain, vocab_size=_SMALL_VOCABULARY if index % 4 < 2 else 0))
    for model, targets in _NAMED:
        cases.append(Case(model, 2, 1024, 1, False, "sdpa", "bf16", "lora", 16, targets))
    for model, targets in _PACKED:
        cases.append(Case(model, 2, 1024, 1, False, "sdpa", "bf16", "qlora", 16, targets))
    for targets, checkpointed in (("all", False), ("attention", True)):
        plain = Case("openai/gpt-oss-20b", 2, 1024, 1, checkpointed, "eager", "bf16", "lora", 16, targets)
        cases.append(replace(plain, vocab_size=_SMALL_VOCABULARY))
    return cases


def _copied() -> list[Case]:
    """Written-out attention over one sequence and over several."""
    return [
        Case(model, 2, 1024, sequences, False, "eager", "bf16", vocab_size=_SMALL_VOCABULARY)
        for model in _COPIED
        for sequences in (1, 2)
    ]


def golden_cases() -> list[Case]:
    """All of them: dense models, those without a fused kernel, those with experts, more adapters, several sequences."""
    cases = [case for index, model in enumerate(DENSE) for case in _dense(model, index)]
    for index, model in enumerate(EAGER_ONLY):
        cases.append(Case(model, 2, 1024, 1, index % 2 == 0, "eager", "bf16"))
        cases.append(Case(model, 2, 512, 2, index % 2 == 1, "eager", "fp32"))
    for index, model in enumerate(EXPERTS):
        cases.append(Case(model, 2, _LENGTHS[index % 5], 1, index % 2 == 0, "sdpa", "bf16"))
        cases.append(Case(model, 3, 2048, 1 + index % 3, index % 2 == 1, "sdpa", "bf16"))
    return [*cases, *_adapted(), *_copied()]


def compact(case: Case) -> dict[str, Any]:
    """The case without what it leaves at its default."""
    return {each.name: value for each in fields(case) if (value := getattr(case, each.name)) != each.default}
