"""What ZeRO 3 gathers of 4-bit weights."""

from ftspec.memory.deepspeed.gathered import gatherable
from ftspec.spec.methods import Lora, Qlora
from ftspec.spec.model import Parallelism, Training
from tests.memory.plans import frames_of, plan_of

PROJECTIONS = 4096 * (4096 + 1024 + 1024 + 4096 + 3 * 14336)
"""Elements of the matrices of a layer of Llama 3.1 8B."""


def layer_of(method: Lora | Qlora) -> int:
    """Elements of a gathered layer."""
    training, layout = Training(method=method, sequence_length=512), Parallelism(data=8, zero_stage=3)
    (frame,) = frames_of(plan_of("deepspeed", gpus=8, training=training, parallelism=layout))
    return gatherable(frame).layer


def test_packed_weights_are_gathered_packed() -> None:
    """Four of them in each number; the adapters beside them are as large as without packing."""
    assert layer_of(Lora(rank=8)) - layer_of(Qlora(rank=8)) == PROJECTIONS * 3 // 4
