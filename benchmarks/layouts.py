"""All layouts of one job on a number of GPUs, as columns for `ftspec.memory.batch`."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy
from numpy.typing import NDArray

from ftspec.plan.model import Plan
from ftspec.spec.model import Model
from tests.memory.plans import plan_of

LLAMA_405B = "meta-llama/Llama-3.1-405B"
GPUS = 16_384
CHOICES: dict[str, tuple[Any, ...]] = {
    "parallelism.tensor": (1, 2, 4, 8),
    "parallelism.pipeline": tuple(2**power for power in range(7)),
    "parallelism.virtual_pipeline": (1, 2, 3),
    "parallelism.context": (1, 2, 4, 8, 16),
    "parallelism.sequence_parallel": (False, True),
    "parallelism.zero_stage": (0, 1),
    "training.micro_batch_size": (1, 2, 4, 8),
    "training.global_batch_size": (1024, 2048, 4096),
    "training.activation_checkpointing": ("none", "selective", "full"),
}


LENGTHS = tuple(8192 * number for number in range(1, 17))
"""The lengths of a search over whole training recipes: 8,192 to 131,072."""


def job() -> Plan:
    """Pre-training of Llama 3.1 405B under Megatron, before a layout is chosen."""
    return plan_of("megatron", model=Model(from_=LLAMA_405B), gpus=8)


def _legal(choices: Mapping[str, tuple[Any, ...]], gpus: int, layers: int) -> Iterator[tuple[Any, ...]]:
    """Each layout's values, with the data degree and the accumulation that follow from them."""
    for values in product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        pipeline, virtual = chosen["parallelism.pipeline"], chosen["parallelism.virtual_pipeline"]
        tensor = chosen["parallelism.tensor"]
        data, rest = divmod(gpus, tensor * pipeline * chosen["parallelism.context"])
        if rest or pipeline * virtual > layers or (virtual > 1 and pipeline == 1):
            continue
        if chosen["parallelism.sequence_parallel"] and tensor == 1:
            continue
        micro_batches = data * chosen["training.micro_batch_size"]
        steps, rest = divmod(chosen["training.global_batch_size"], micro_batches)
        if steps and not rest:
            yield (*values, data, steps)


def columns(plan: Plan, lengths: tuple[int, ...] = (8192,), gpus: int = GPUS) -> dict[str, NDArray[Any]]:
    """One element for each legal layout at each sequence length."""
    choices = {**CHOICES, "training.sequence_length": lengths}
    names = (*choices, "parallelism.data", "training.gradient_accumulation_steps")
    rows = zip(*_legal(choices, gpus, plan.model.shape.num_hidden_layers), strict=True)
    return {name: numpy.array(values) for name, values in zip(names, rows, strict=True)}
