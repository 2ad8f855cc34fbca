"""What is traced: one training step of one model on one device."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Case:
    """One step on one device.

    `dtype` fp32 is fp32 parameters under bf16 autocast, bf16 is bf16 throughout; with qlora it is that of the weights
    that are not packed. Adapters are fp32, as PEFT makes them. `lora_targets` "attention" are the projections of the
    attention blocks, "all" is PEFT's all-linear, all else names of modules, joined by commas. `last_layers`, `head`
    (with the final norm) and `embeddings` say what is trained with method partial. `vocab_size` 0 is the model's own:
    with a small one a layer peaks, not the loss.
    """

    model: str
    num_hidden_layers: int
    sequence_length: int
    micro_batch_size: int
    activation_checkpointing: bool
    attention: Literal["sdpa", "eager"]
    dtype: Literal["bf16", "fp32"]
    method: Literal["full", "lora", "qlora", "partial"] = "full"
    lora_rank: int = 0
    lora_targets: str = ""
    double_quantization: bool = False
    last_layers: int = 0
    head: bool = False
    embeddings: bool = False
    vocab_size: int = 0
