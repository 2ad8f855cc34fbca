"""Exact memory of one training step of a real transformers model, without a GPU and without its memory.

torch's FakeTensorMode runs the step on shapes alone, and MemTracker counts the bytes alive after every operation, by
category. The model is built from the catalog's shape.

    python -m tests.oracles.step_trace    writes tests/memory/traces.json anew
"""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ftspec.catalog.models import ModelRow, find_model
from tests.oracles.transformers_models import transformers_config

GOLDEN = Path(__file__).resolve().parents[1] / "memory" / "traces.json"


@dataclass(frozen=True)
class Case:
    """One step on one device. `dtype` fp32 is fp32 parameters under bf16 autocast, bf16 is bf16 throughout."""

    model: str
    num_hidden_layers: int
    sequence_length: int
    micro_batch_size: int
    activation_checkpointing: bool
    attention: Literal["sdpa", "eager"]
    dtype: Literal["bf16", "fp32"]
    method: Literal["full"] = "full"


MODELS = (
    "Qwen/Qwen2.5-0.5B",
    "meta-llama/Llama-3.2-3B",
    "meta-llama/Llama-2-13b-hf",
    "Qwen/Qwen3-4B",
    "bigcode/starcoder2-3b",
    "EleutherAI/pythia-1.4b",
    "openai-community/gpt2",
    "google/gemma-2b",
    "Qwen/Qwen3-30B-A3B",
)
"""Models that are traced: tied and untied, grouped and plain heads, gated and plain MLPs, both norms, experts."""


def build(case: Case) -> Any:
    """The model of a case, in the mode of the caller."""
    import torch
    from transformers import AutoModelForCausalLM

    row = find_model(case.model)
    assert isinstance(row, ModelRow)
    shape = replace(row.shape, num_hidden_layers=case.num_hidden_layers, rope_scaling=None)
    config = transformers_config(replace(row, shape=shape))
    config._attn_implementation, config.use_cache = case.attention, False
    if row.shape.moe is not None:
        config._experts_implementation = "grouped_mm"
    torch.set_default_dtype(torch.bfloat16 if case.dtype == "bf16" else torch.float32)
    try:
        model = AutoModelForCausalLM.from_config(config)
    finally:
        torch.set_default_dtype(torch.float32)
    if case.activation_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.train()


@contextmanager
def without_collection() -> Iterator[None]:
    """No garbage collection inside: whether it runs in a step depends on what the process did before."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def trace(case: Case) -> dict[str, int]:
    """Bytes by category at the peak of the second step, when the optimizer's states exist."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    with FakeTensorMode(allow_non_fake_inputs=True):
        model = build(case)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
        ids = torch.zeros((case.micro_batch_size, case.sequence_length), dtype=torch.long)
        output = None

        def step() -> None:
            nonlocal output
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=case.dtype == "fp32"):
                output = model(input_ids=ids, labels=ids)
            output.loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        tracker = MemTracker()
        tracker.track_external(model, optimizer, ids)
        with tracker, without_collection():
            step()
            tracker.reset_mod_stats()
            step()
        peak = tracker.get_tracker_snapshot("peak")
    (categories,) = peak.values()
    return {str(getattr(name, "value", name)): count for name, count in categories.items()}


def golden_cases() -> list[Case]:
    """Two shapes of step for each model, so that checkpointing, attention and precision each occur both ways."""
    cases = []
    for index, model in enumerate(MODELS):
        fp32: Literal["bf16", "fp32"] = "bf16" if "A3B" in model else "fp32"
        cases.append(Case(model, 3, 512, 2, index % 2 == 0, "sdpa", "bf16"))
        cases.append(Case(model, 2, 1024, 1, index % 2 == 1, "eager" if index % 3 == 0 else "sdpa", fp32))
    return cases


def main() -> None:
    """Trace every golden case anew."""
    import torch
    import transformers

    rows = [{**asdict(case), "peak": trace(case)} for case in golden_cases()]
    about = f"Exact bytes at the peak of a training step by tests/oracles/step_trace.py, torch {torch.__version__}"
    made = {"about": f"{about}, transformers {transformers.__version__}", "rows": rows}
    GOLDEN.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
