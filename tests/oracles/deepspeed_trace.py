"""Exact memory of real DeepSpeed engines, of any number of ranks, in one process on a CPU.

    python -m tests.oracles.deepspeed_trace WORLD_SIZE RANK < jobs.json

The process is one rank of torch's `fake` process group, whose collectives do nothing: what the engine allocates does
not depend on the values. A dispatch mode follows every tensor's storage from its making to its end. Jobs are as those
of `deepspeed_worker.py`, with `activation_checkpointing`, the number of `trained_layers` from the end (0: all) and the
`lora_rank` of PEFT's fp32 adapters on all projections (0: none). For each one the highest bytes alive in each phase of
its last step, by micro-batch, and where they were made.
"""

import gc
import json
import logging
import os
import sys
import weakref
from collections import Counter
from typing import Any

os.environ["DS_ACCELERATOR"] = "cpu"

import deepspeed
import torch
from deepspeed.accelerator import get_accelerator
from peft import LoraConfig, get_peft_model
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import LlamaConfig, LlamaForCausalLM

STEPS = 3
"""The optimizer's states exist from the second step on, ZeRO 3's record of the modules' order from the third on."""


class Alive(TorchDispatchMode):
    """Bytes of all storages that are alive, and the most of each phase."""

    def __init__(self) -> None:
        super().__init__()
        self.storages: dict[int, tuple[int, str]] = {}
        self.total, self.phase = 0, "start"
        self.peaks: dict[str, int] = {}
        self.made_by: dict[str, dict[str, int]] = {}

    def follow(self, tensor: torch.Tensor, maker: str) -> None:
        """Count a tensor's storage until it is freed; one without memory (`meta`) is none."""
        storage = tensor.untyped_storage()
        if tensor.device.type == "meta" or id(storage) in self.storages or not storage.nbytes():
            return
        self.storages[id(storage)] = (storage.nbytes(), maker)
        self.total += storage.nbytes()
        weakref.finalize(storage, self._freed, id(storage))

    def _freed(self, key: int) -> None:
        self.total -= self.storages.pop(key)[0]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and id(tensor.untyped_storage()) not in self.storages:
                self.follow(tensor, _maker())
        if self.total > self.peaks.get(self.phase, 0):
            self.peaks[self.phase] = self.total
            self.made_by[self.phase] = self._by_maker()
        return made

    def _by_maker(self) -> dict[str, int]:
        makers: Counter[str] = Counter()
        for size, maker in self.storages.values():
            makers[maker] += size
        return dict(makers)


def _maker() -> str:
    """The function of DeepSpeed's runtime or of an optimizer that runs, else `model`."""
    frame: Any = sys._getframe(2)
    while frame:
        file = frame.f_code.co_filename
        if "torch/optim" in file or ("deepspeed/runtime" in file and not file.endswith(("utils.py", "nvtx.py"))):
            name = frame.f_code.co_name
            return "model" if name in ("forward", "backward") else f"{os.path.basename(file)[:-3]}.{name}"
        frame = frame.f_back
    return "model"


def model_of(job: dict[str, Any], dtype: torch.dtype) -> torch.nn.Module:
    """The model of a job, trained in part or with adapters if it says so."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**job["shape"], attn_implementation="sdpa", use_cache=False)).to(dtype)
    if job["activation_checkpointing"]:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if job["trained_layers"] or job["lora_rank"]:
            model.enable_input_require_grads()
    if job["lora_rank"]:
        config = LoraConfig(r=job["lora_rank"], target_modules="all-linear", lora_dropout=0.0)
        return get_peft_model(model, config).train()
    if job["trained_layers"]:
        model.requires_grad_(requires_grad=False)
        for layer in model.model.layers[-job["trained_layers"] :]:
            layer.requires_grad_(requires_grad=True)
    return model.train()


def on_host(optimizer: Any) -> dict[str, int]:
    """Bytes of the buffers that the engine makes on the host if the optimizer or parameters are offloaded."""
    flat = [
        *getattr(optimizer, "single_partition_of_fp32_groups", ()),
        *getattr(optimizer, "fp32_partitioned_groups_flat", ()),
    ]
    buffers = {
        "master_parameters": flat,
        "gradients": [
            *(each.grad for each in flat if each.grad is not None),
            *getattr(optimizer, "accumulated_grads_in_cpu", {}).values(),
            getattr(optimizer, "grad_partitions_flat_buffer", None),
        ],
        "staging": [
            *getattr(optimizer, "param_buffer_of_bit16_for_cpu_offload_groups", ()),
            getattr(optimizer, "temp_grad_buffer_for_cpu_offload", None),
        ],
        "parameters": getattr(optimizer, "param_groups_fp16_flat_cpu_memory", ()),
    }
    storages = {
        name: {each.untyped_storage().data_ptr(): each.untyped_storage() for each in held if each is not None}
        for name, held in buffers.items()
    }
    return {name: sum(each.nbytes() for each in held.values()) for name, held in storages.items()}


def trace(job: dict[str, Any]) -> dict[str, Any]:
    """What is alive in the phases of a job's last step."""
    config = job["config"]
    half = next((kind for kind in ("bf16", "fp16") if config.get(kind, {}).get("enabled")), None)
    model = model_of(job, {"bf16": torch.bfloat16, "fp16": torch.float16, None: torch.float32}[half])
    alive = Alive()
    with alive:
        for tensor in (*model.parameters(), *model.buffers()):
            alive.follow(tensor, "model")
        trained = [each for each in model.parameters() if each.requires_grad]
        engine, *_ = deepspeed.initialize(model=model, model_parameters=trained, config=config)
        ids = torch.zeros((engine.train_micro_batch_size_per_gpu(), job["sequence_length"]), dtype=torch.long)
        mask = torch.ones_like(ids).index_fill(1, torch.tensor([0]), 0)  # padding: else transformers makes no mask
        gc.collect()
        gc.disable()
        for _ in range(STEPS):
            alive.peaks.clear()
            for micro in range(engine.gradient_accumulation_steps()):
                alive.phase = f"forward{micro}"
                output = engine(input_ids=ids, attention_mask=mask, labels=ids)
                alive.phase = f"backward{micro}"
                engine.backward(output.loss)
                alive.phase = f"step{micro}"
                engine.step()
        gc.enable()
    said = {
        "name": job["name"],
        "optimizer": type(engine.optimizer).__name__,
        "skipped_steps": engine.skipped_steps,
        "host": on_host(engine.optimizer),
        "peaks": alive.peaks,
        "made_by": {phase: alive.made_by[phase] for phase in alive.peaks},
    }
    engine.destroy()
    return said


def main() -> None:
    """Trace every job, in one start of DeepSpeed."""
    world_size, rank = map(int, sys.argv[1:])
    os.environ.update(RANK=str(rank), LOCAL_RANK="0", WORLD_SIZE=str(world_size))
    torch.distributed.init_process_group("fake", store=FakeStore(), rank=rank, world_size=world_size)
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    get_accelerator().is_fp16_supported = lambda: True  # torch's CPU kernels do; DeepSpeed says no
    deepspeed.init_distributed("fake", auto_mpi_discovery=False)
    json.dump([trace(job) for job in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
