"""One step counted: torch's FakeTensorMode runs it on shapes alone, MemTracker counts the bytes alive after every
operation, by category.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from tests.oracles.traces.build import build
from tests.oracles.traces.case import Case


@contextmanager
def without_collection() -> Iterator[None]:
    """No garbage collection inside: whether it runs in a step depends on what the process did before."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def frozen_without_hooks() -> Iterator[None]:
    """MemTracker asks every parameter for a hook on its gradient; those that get none refuse it."""
    hook, after = torch.Tensor.register_hook, torch.Tensor.register_post_accumulate_grad_hook

    def allowed(register: Any) -> Any:
        return lambda tensor, each: register(tensor, each) if tensor.requires_grad else mock.Mock()

    with (
        mock.patch.object(torch.Tensor, "register_hook", allowed(hook)),
        mock.patch.object(torch.Tensor, "register_post_accumulate_grad_hook", allowed(after)),
    ):
        yield


def trace(case: Case, tracker: MemTracker | None = None) -> dict[str, int]:
    """Bytes by category at the peak of the second step, when the optimizer's states exist."""
    tracker = tracker or MemTracker()
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = build(case)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
        ids = torch.zeros((case.micro_batch_size, case.sequence_length), dtype=torch.long)
        output = None

        def step() -> None:
            nonlocal output
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=case.dtype == "fp32"):
                output = model(input_ids=ids, labels=ids)
            output.loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        tracker.track_external(model, optimizer, ids)
        with frozen_without_hooks(), tracker, without_collection():
            step()
            tracker.reset_mod_stats()
            step()
        peak = tracker.get_tracker_snapshot("peak")
    (categories,) = peak.values()
    return {str(getattr(name, "value", name)): count for name, count in categories.items()}
