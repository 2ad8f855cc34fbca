"""A case, trained for a few steps, and what it took."""

from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

from benchmarks.gpu.case import Case
from benchmarks.gpu.meter import Meter
from benchmarks.gpu.models import build, optimizer

STEPS = 3
"""The optimizer's states exist from the second step on; the third shows that nothing grows."""


def train(case: Case, device: str, steps: int = STEPS) -> float:
    """The loss of the last step."""
    import torch

    model = build(case, device)
    stepping = optimizer(case, model)
    ids = torch.randint(0, 1000, (case.micro_batch_size, case.sequence_length), device=device)
    kind = device.partition(":")[0]
    loss = 0.0
    output = None  # held until the next forward pass has replaced it, as a training loop does
    for _ in range(steps):
        for _ in range(case.accumulation):
            mixed = torch.autocast(kind, dtype=torch.bfloat16) if case.dtype == "fp32" else nullcontext()
            with mixed:
                output = model(input_ids=ids, labels=ids)
            output.loss.backward()
        loss = float(output.loss.detach()) if output is not None else 0.0
        stepping.step()
        stepping.zero_grad()
    return loss


def measured(case: Case, meter: Meter) -> dict[str, Any]:
    """The case and its bytes, as a row of results; `skipped` says why there are none."""
    import torch

    row: dict[str, Any] = asdict(case)
    meter.reset()
    try:
        train(case, meter.device)
    except ImportError as missing:
        return {**row, "skipped": f"not installed: {missing.name or missing}"}
    except torch.OutOfMemoryError:
        return {**row, "skipped": "out of memory"}
    except Exception as fault:  # one case that a library cannot run must not lose the others' minutes
        return {**row, "skipped": f"{type(fault).__name__}: {fault}"}
    return {**row, **{f"{name}_bytes": count for name, count in meter.read()._asdict().items()}}
