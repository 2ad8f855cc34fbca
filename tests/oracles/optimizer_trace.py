"""Exact memory of an optimizer's step over a real transformers model: real optimizers, on shapes alone.

    python -m tests.oracles.optimizer_trace      writes tests/memory/optimizer_traces.json anew
    python -m tests.oracles.optimizer_trace -    traces the steps on standard input, JSON in and out

bitsandbytes and lion-pytorch are used where they are installed; without one of them its kept rows stay. bitsandbytes'
kernels, which work in place on a GPU, are left out.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from tests.oracles.traces.case import Case

GOLDEN = Path(__file__).resolve().parents[1] / "memory" / "optimizer_traces.json"


@dataclass(frozen=True)
class Step:
    """One step of an optimizer over a model. `fused` False is what torch does on a GPU by itself (foreach)."""

    model: str
    num_hidden_layers: int
    dtype: Literal["bf16", "fp32"]
    optimizer: Literal["adamw", "adam", "sgd", "adamw_8bit", "adafactor", "lion", "muon"]
    fused: bool = True
    weight_decay: float = 0.0
    momentum: float = 0.0
    method: Literal["full", "lora", "partial"] = "full"

    @property
    def needs(self) -> str:
        """The package that has the optimizer."""
        if self.optimizer == "adamw_8bit" or (self.optimizer == "lion" and self.fused):
            return "bitsandbytes"
        return "lion_pytorch" if self.optimizer == "lion" else "torch"


def _case(step: Step) -> Case:
    rank, targets = (16, "all") if step.method == "lora" else (0, "")
    last = 1 if step.method == "partial" else 0
    return Case(
        step.model,
        step.num_hidden_layers,
        sequence_length=8,
        micro_batch_size=1,
        activation_checkpointing=False,
        attention="sdpa",
        dtype=step.dtype,
        method=step.method,
        lora_rank=rank,
        lora_targets=targets,  # type: ignore[arg-type]
        last_layers=last,
    )


def _muon(model: Any, step: Step) -> list[Any]:
    """Matrices of the layers, and everything else to AdamW."""
    import torch

    layers = next(module for module in model.modules() if isinstance(module, torch.nn.ModuleList))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = {id(parameter) for parameter in layers.parameters() if parameter.ndim == 2}
    inner = [parameter for parameter in trained if id(parameter) in matrices]
    rest = [parameter for parameter in trained if id(parameter) not in matrices]
    adam = [torch.optim.AdamW(rest, lr=1e-5, **_kernel(step))] if rest else []
    return [torch.optim.Muon(inner, lr=1e-3), *adam]


def _kernel(step: Step) -> dict[str, bool]:
    return {"fused": True} if step.fused else {"foreach": True}


def optimizers(model: Any, step: Step) -> list[Any]:
    """The optimizers of a step."""
    import torch
    from transformers.optimization import Adafactor

    if step.optimizer == "muon":
        return _muon(model, step)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if step.optimizer == "adafactor":
        return [Adafactor(trained, lr=1e-5, scale_parameter=False, relative_step=False)]
    if step.needs == "bitsandbytes":
        import bitsandbytes

        kind = bitsandbytes.optim.Lion if step.optimizer == "lion" else bitsandbytes.optim.AdamW8bit
        return [kind(trained, lr=1e-5)]
    if step.needs == "lion_pytorch":
        import lion_pytorch

        return [lion_pytorch.Lion(trained, lr=1e-5)]
    more = {"momentum": step.momentum} if step.optimizer == "sgd" else {}
    kinds: dict[str, Callable[..., Any]] = {
        "adamw": torch.optim.AdamW,
        "adam": torch.optim.Adam,
        "sgd": torch.optim.SGD,
    }
    return [kinds[step.optimizer](trained, lr=1e-5, weight_decay=step.weight_decay, **_kernel(step), **more)]


@contextmanager
def _without_bitsandbytes_kernels() -> Iterator[None]:
    """Tables made of real numbers, and no kernels."""
    if find_spec("bitsandbytes") is None:
        yield
        return
    from bitsandbytes import functional
    from torch._subclasses.fake_tensor import unset_fake_temporarily

    make = functional.create_dynamic_map

    def real(*arguments: Any, **named: Any) -> Any:
        with unset_fake_temporarily():
            return make(*arguments, **named)

    with (
        mock.patch.object(functional, "create_dynamic_map", real),
        mock.patch.object(functional, "optimizer_update_8bit_blockwise"),
        mock.patch.object(functional, "optimizer_update_32bit"),
    ):
        yield


def _on_device(name: str, value: Any, step: Step) -> bool:
    """Step counters lie on the host, unless one kernel does all."""
    import torch

    return isinstance(value, torch.Tensor) and (name != "step" or step.fused)


def trace(step: Step) -> dict[str, int]:
    """Bytes on the device: of parameters, gradients and states, and of what the second step makes at its highest."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    from tests.oracles.traces.build import build
    from tests.oracles.traces.trace import frozen_without_hooks, without_collection

    with _without_bitsandbytes_kernels(), FakeTensorMode(allow_non_fake_inputs=True):
        import torch

        model = build(_case(step))
        parameters = list(model.parameters())
        for parameter in parameters:
            if parameter.requires_grad:
                parameter.grad = torch.empty_like(parameter)
        steppers = optimizers(model, step)
        for each in steppers:
            each.step()
        tracker = MemTracker()
        tracker.track_external(model, *steppers)
        before = sum(kinds["Total"] for kinds in tracker.get_tracker_snapshot().values())
        with frozen_without_hooks(), tracker, without_collection():
            for each in steppers:
                each.step()
        peak = sum(kinds["Total"] for kinds in tracker.get_tracker_snapshot("peak").values())
        held = {
            value.untyped_storage()._cdata: value.nbytes
            for each in steppers
            for state in each.state.values()
            for name, value in state.items()
            if _on_device(name, value, step)
        }
    return {
        "parameters": sum(parameter.nbytes for parameter in parameters),
        "gradients": sum(parameter.grad.nbytes for parameter in parameters if parameter.grad is not None),
        "optimizer_states": sum(held.values()),
        "temporaries": peak - before,
    }


QWEN, LLAMA, GPT2, MIXTRAL = (
    "Qwen/Qwen2.5-0.5B",
    "meta-llama/Llama-3.2-3B",
    "openai-community/gpt2",
    "Qwen/Qwen3-30B-A3B",
)


def golden_steps() -> list[Step]:
    """Every optimizer over models with and without biases, tied and untied tables, and experts."""
    steps = []
    for index, (model, layers) in enumerate(((QWEN, 3), (LLAMA, 2), (GPT2, 4), (MIXTRAL, 2))):
        for dtype in ("bf16", "fp32"):
            steps += [Step(model, layers, dtype, name) for name in ("adamw", "adamw_8bit", "adafactor", "lion", "muon")]
            steps += [Step(model, layers, dtype, name, fused=False) for name in ("adamw", "lion", "muon")]
            steps += [Step(model, layers, dtype, "adam", index % 2 == 0, 0.1)]
            steps += [Step(model, layers, dtype, "sgd", index % 2 == 1, 0.1 * (index // 2), 0.9)]
            steps += [Step(model, layers, dtype, "sgd", False, 0.1)]
    for name in ("adamw", "adamw_8bit", "adafactor", "lion", "muon"):
        steps.append(Step(LLAMA, 2, "bf16", name, method="lora"))
        steps.append(Step(LLAMA, 3, "bf16", name, method="partial"))
    return steps


def rows(steps: list[Step]) -> list[dict[str, Any]]:
    """The steps with what was traced."""
    return [{**asdict(step), "traced": trace(step)} for step in steps]


def main() -> None:
    """Trace every golden step anew whose optimizer is installed."""
    import torch
    import transformers

    kept = json.loads(GOLDEN.read_text())["rows"] if GOLDEN.exists() else []
    steps = golden_steps()
    made = rows([step for step in steps if find_spec(step.needs)])
    left = [row for row in kept if Step(**{n: v for n, v in row.items() if n != "traced"}) in steps]
    left = [row for row in left if not any(row.items() >= {**new, "traced": row["traced"]}.items() for new in made)]
    about = (
        "Exact bytes of an optimizer's step by tests/oracles/optimizer_trace.py; "
        f"torch {torch.__version__}, transformers {transformers.__version__}, bitsandbytes 0.50.2, lion-pytorch 0.2.5"
    )
    lines = ",\n".join(f"  {json.dumps(row)}" for row in [*made, *left])
    GOLDEN.write_text(f'{{\n "about": {json.dumps(about)},\n "rows": [\n{lines}\n ]\n}}\n')


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        print(json.dumps([trace(Step(**each)) for each in json.load(sys.stdin)]))
    else:
        main()
