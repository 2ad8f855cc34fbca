"""Trains a tiny Llama under real DeepSpeed, once for each configuration file; run by torch.distributed.run.

    deepspeed_worker.py DIRECTORY

DIRECTORY holds `jobs.json`: for each configuration file its name, the model's shape and the length. Each rank
writes `NAME.rankN`: the losses, and the bytes that the engine holds after the last step.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ["DS_ACCELERATOR"] = "cpu"

import deepspeed
import torch
from transformers import LlamaConfig, LlamaForCausalLM


def tiny_llama(shape: dict[str, Any]) -> LlamaForCausalLM:
    """The model, the same on every rank."""
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**shape, attn_implementation="sdpa", use_cache=False))


def fixed_batches(shape: dict[str, Any], micro_batch_size: int, sequence_length: int, count: int) -> list[torch.Tensor]:
    """The rank's own data, the same in every step: counting up from a start, which a tiny model learns."""
    starts = torch.arange(count * micro_batch_size) * 7 + 3 * torch.distributed.get_rank()
    rows = (starts[:, None] + torch.arange(sequence_length)) % shape["vocab_size"]
    return list(rows.split(micro_batch_size))


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the tensors' storages, each counted once."""
    return sum(
        {
            each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors if each.numel()
        }.values()
    )


def held_bytes(engine: Any) -> dict[str, int]:
    """What this rank holds: the parameters, the optimizer's own copy, and its states."""
    parameters = list(engine.module.parameters())
    sharded = hasattr(parameters[0], "ds_tensor")
    optimizer = engine.optimizer
    masters = optimizer.fp32_partitioned_groups_flat if sharded else optimizer.single_partition_of_fp32_groups
    states = [
        value for state in optimizer.optimizer.state.values() for value in state.values() if torch.is_tensor(value)
    ]
    return {
        "parameters": storage_bytes(each.ds_tensor if sharded else each for each in parameters),
        "gathered": storage_bytes(each.data for each in parameters) if sharded else 0,
        "master_parameters": storage_bytes(masters),
        "moments": storage_bytes(each for each in states if each.dim()),
        "counters": storage_bytes(each for each in states if not each.dim()),
    }


def train(directory: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Train by the file as it is, and say what came of it."""
    model = tiny_llama(job["shape"])
    config = str(directory / job["name"])
    engine, *_ = deepspeed.initialize(model=model, model_parameters=model.parameters(), config=config)
    accumulation = engine.gradient_accumulation_steps()
    batches = fixed_batches(job["shape"], engine.train_micro_batch_size_per_gpu(), job["sequence_length"], accumulation)
    losses = []
    for _ in range(job["steps"]):
        total = 0.0
        for batch in batches:
            loss = engine(input_ids=batch, labels=batch).loss
            engine.backward(loss)
            engine.step()
            total += loss.item() / accumulation
        losses.append(total)
    said = {
        "losses": losses,
        "train_batch_size": engine.train_batch_size(),
        "zero_stage": int(engine.zero_optimization_stage()),
        "global_steps": engine.global_steps,
        **held_bytes(engine),
    }
    engine.destroy()
    return said


def main() -> None:
    """Train every configuration in turn, in one start of the processes."""
    directory = Path(sys.argv[1])
    deepspeed.init_distributed("gloo")
    for job in json.loads((directory / "jobs.json").read_text()):
        said = train(directory, job)
        (directory / f"{job['name']}.rank{torch.distributed.get_rank()}").write_text(json.dumps(said))
    torch.distributed.destroy_process_group()  # else its threads may outlive the interpreter


if __name__ == "__main__":
    main()
