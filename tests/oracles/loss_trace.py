"""Exact memory of steps of real transformers models with other losses than their own.

    python -m tests.oracles.loss_trace    writes tests/memory/loss_traces.json anew

The chunked loss is torchtune's, in the place of a transformers model's loss function. Liger's loss needs a GPU: what it
allocates is written again in torch's operations, after liger_kernel/ops/fused_linear_cross_entropy.py of 0.8.5.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.nn import functional

from tests.oracles.traces.build import build
from tests.oracles.traces.case import Case
from tests.oracles.traces.trace import frozen_without_hooks, without_collection

GOLDEN = Path(__file__).resolve().parents[1] / "memory" / "loss_traces.json"
CHUNKS, IGNORED = 8, -100


def _next_tokens(labels: Tensor) -> Tensor:
    return functional.pad(labels, (0, 1), value=IGNORED)[..., 1:].contiguous()


def chunked_loss(logits: Tensor, labels: Tensor, **_: Any) -> Tensor:
    """A chunk of the positions at a time, in fp32."""
    targets = _next_tokens(labels)
    parts = [part.reshape(-1, part.size(-1)) for part in logits.chunk(CHUNKS, dim=1)]
    total = logits.new_zeros((), dtype=torch.float32)
    for part, target in zip(parts, targets.chunk(CHUNKS, dim=1), strict=True):
        total = total + functional.cross_entropy(part.float(), target.reshape(-1), reduction="sum")
    return total / (targets != IGNORED).sum()


class FusedLoss(torch.autograd.Function):
    """Head and loss in one, without the head's logits but for a chunk of rows."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        rows, hidden = value.shape
        share = -(-rows // -(-weight.shape[0] // hidden))
        chunk = min(rows, 1 << (share - 1).bit_length())
        of_value = torch.zeros_like(value)
        of_weight = torch.zeros_like(weight) if weight.requires_grad else None
        losses, counted = torch.zeros(rows), targets != IGNORED
        alike = not torch.is_autocast_enabled("cpu")
        logits = torch.empty((chunk, weight.shape[0]), dtype=value.dtype) if alike else None
        for start in range(0, rows, chunk):
            part = value[start : start + chunk]
            if logits is None:
                of_value[start : start + chunk] = (part @ weight.t()) @ weight
            else:
                torch.mm(part, weight.t(), out=logits[: len(part)])
                torch.mm(logits[: len(part)], weight, out=of_value[start : start + chunk])
        ctx.save_for_backward(of_value, *([] if of_weight is None else [of_weight]))
        return losses.sum() / counted.sum()

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, Tensor | None, None]:
        of_value, *of_weight = ctx.saved_tensors
        return of_value, of_weight[0] if of_weight else None, None


def _with_fused_loss(model: Any) -> Callable[..., SimpleNamespace]:
    def call(input_ids: Tensor, labels: Tensor) -> SimpleNamespace:
        hidden = model.base_model(input_ids=input_ids).last_hidden_state
        rows = hidden.view(-1, hidden.shape[-1])
        return SimpleNamespace(loss=FusedLoss.apply(rows, model.lm_head.weight, _next_tokens(labels).view(-1)))

    return call


@dataclass(frozen=True)
class Step:
    """A step of a case with another loss."""

    case: Case
    loss: Literal["chunked", "fused"]


def _peak(tracker: MemTracker) -> int:
    return sum(kinds["Total"] for kinds in tracker.get_tracker_snapshot("peak").values())


def trace(step: Step) -> dict[str, int]:
    """Bytes at the peak of two steps, and at the peak of a forward pass with no output held from before."""
    case = step.case
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = build(case)
        if step.loss == "chunked":
            model.loss_function = chunked_loss
        call = _with_fused_loss(model) if step.loss == "fused" else model
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
        ids = torch.zeros((case.micro_batch_size, case.sequence_length), dtype=torch.long)
        output = None

        def forward() -> None:
            nonlocal output
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=case.dtype == "fp32"):
                output = call(input_ids=ids, labels=ids)

        peaks = []
        for whole_steps in (2, 0):
            output = None
            tracker = MemTracker()
            tracker.track_external(model, optimizer, ids)
            with frozen_without_hooks(), tracker, without_collection():
                for _ in range(whole_steps):
                    forward()
                    output.loss.backward()
                    optimizer.step()
                    optimizer.zero_grad()
                    tracker.reset_mod_stats()
                if not whole_steps:
                    forward()
            peaks.append(_peak(tracker))
    return {"peak": peaks[0], "forward": peaks[1]}


def golden_steps() -> list[Step]:
    """One sequence and two, in bf16 and under autocast, tied and untied, with loss or layers at the peak."""
    llama, qwen, untied = "meta-llama/Llama-3.2-1B", "Qwen/Qwen2.5-0.5B", "meta-llama/Llama-2-13b-hf"
    cases = (
        Case(llama, 1, 2048, 1, True, "sdpa", "bf16"),
        Case(llama, 1, 1024, 2, True, "sdpa", "fp32"),
        Case(qwen, 2, 8192, 1, True, "sdpa", "fp32"),
        Case(qwen, 2, 4096, 3, True, "sdpa", "bf16"),
        Case(untied, 1, 4096, 1, True, "sdpa", "bf16"),
    )
    return [Step(case, loss) for case in cases for loss in ("chunked", "fused")]  # type: ignore[arg-type]


def main() -> None:
    """Trace every golden step anew."""
    lines = [json.dumps({**asdict(step.case), "loss": step.loss, **trace(step)}) for step in golden_steps()]
    about = f"Exact bytes of steps with other losses by tests/oracles/loss_trace.py, torch {torch.__version__}"
    rows = ",\n".join(f"  {line}" for line in lines)
    GOLDEN.write_text(f'{{\n "about": {json.dumps(about)},\n "rows": [\n{rows}\n ]\n}}\n')


if __name__ == "__main__":
    main()
