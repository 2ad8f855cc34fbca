"""What is trained on the GPU: small real models over methods, lengths, checkpointing, kernels and optimizers."""

from dataclasses import dataclass, replace
from typing import Literal

from ftspec.plan.model import Plan
from ftspec.spec.methods import Full, Lora, Partial, Qlora
from ftspec.spec.model import Checkpointing, Model, Precision, Training
from ftspec.spec.optimizers import OptimizerChoice, OptimizerName
from tests.memory.plans import plan_of

Method = Literal["full", "lora", "partial", "qlora"]


@dataclass(frozen=True)
class Case:
    """A few steps on one GPU. `dtype` fp32 is fp32 parameters under bf16 autocast, bf16 is bf16 throughout."""

    model: str
    num_hidden_layers: int
    sequence_length: int
    micro_batch_size: int
    activation_checkpointing: bool = False
    attention: Literal["sdpa", "eager", "flash"] = "sdpa"
    dtype: Literal["bf16", "fp32"] = "bf16"
    method: Method = "full"
    optimizer: OptimizerName = "adamw"
    fused: bool = True
    accumulation: int = 1


LORA_RANK = 16
TRAINED_LAYERS = 2
LLAMA_1B = Case("meta-llama/Llama-3.2-1B", 16, 2048, 2)
LLAMA_8B = Case("meta-llama/Llama-3.1-8B", 8, 2048, 2)
QWEN = Case("Qwen/Qwen2.5-1.5B", 28, 1024, 4)
EXPERTS = Case("Qwen/Qwen3-30B-A3B", 2, 2048, 2)
GPT2 = Case("openai-community/gpt2-large", 36, 1024, 2)
SMALLEST = Case("HuggingFaceTB/SmolLM2-135M", 3, 32, 1)
"""For a CPU: no result of it is kept."""


def _lengths() -> list[Case]:
    base = (LLAMA_1B, LLAMA_8B)
    shapes = ((512, 8), (1024, 1), (4096, 1), (8192, 1), (16384, 1))
    return [
        replace(case, sequence_length=length, micro_batch_size=batch, activation_checkpointing=checkpointing)
        for case in base
        for length, batch in shapes
        for checkpointing in (False, True)
    ]


def _optimizers() -> list[Case]:
    kinds: tuple[OptimizerName, ...] = ("sgd", "adamw_8bit", "adafactor", "lion", "muon")
    cases = [replace(LLAMA_1B, optimizer=kind) for kind in kinds]
    return [*cases, *(replace(case, fused=False) for case in (LLAMA_1B, LLAMA_8B))]


def _methods() -> list[Case]:
    methods: tuple[Method, ...] = ("lora", "partial", "qlora")
    return [
        replace(case, method=method, activation_checkpointing=checkpointing)
        for case in (LLAMA_1B, LLAMA_8B, QWEN)
        for method in methods
        for checkpointing in (False, True)
    ]


def cases() -> list[Case]:
    """Every case, each once."""
    bases = (LLAMA_1B, LLAMA_8B, QWEN, EXPERTS, GPT2)
    plain = [replace(case, activation_checkpointing=checkpointing) for case in bases for checkpointing in (False, True)]
    kernels = [replace(case, attention=kernel) for case in (LLAMA_1B, QWEN) for kernel in ("eager", "flash")]
    mixed = [replace(case, dtype="fp32") for case in (*plain[:6], *kernels[:2])]
    accumulated = [replace(case, accumulation=4) for case in (LLAMA_1B, mixed[0])]
    found = [*plain, *kernels, *mixed, *accumulated, *_lengths(), *_optimizers(), *_methods()]
    return list(dict.fromkeys(found))


def _method(case: Case) -> Full | Lora | Partial | Qlora:
    choices: dict[Method, Full | Lora | Partial | Qlora] = {
        "full": Full(),
        "lora": Lora(rank=LORA_RANK, targets="all_linear", adapter_dtype="fp32"),
        "partial": Partial(last_layers=TRAINED_LAYERS),
        "qlora": Qlora(rank=LORA_RANK, targets="all_linear", adapter_dtype="fp32", quantization="nf4"),
    }
    return choices[case.method]


def plan(case: Case) -> Plan:
    """The case as a plan. bitsandbytes' Lion keeps its momentum in fp32 whatever the weights are."""
    training = Training(
        method=_method(case),
        sequence_length=case.sequence_length,
        micro_batch_size=case.micro_batch_size,
        gradient_accumulation_steps=case.accumulation,
        activation_checkpointing=Checkpointing("full" if case.activation_checkpointing else "none"),
        attention=case.attention,
        optimizer=OptimizerChoice(
            kind=case.optimizer, fused=case.fused, momentum=0.9 if case.optimizer == "sgd" else None
        ),
    )
    return plan_of(
        "ddp",
        model=Model(from_=case.model, num_hidden_layers=case.num_hidden_layers),
        training=training,
        precision=Precision(
            compute="bf16", parameters=case.dtype, optimizer_states="fp32" if case.optimizer == "lion" else None
        ),
    )
