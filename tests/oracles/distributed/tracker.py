"""What counts: a tracker that sees the whole step, and nothing but the step."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch.distributed._tools.fsdp2_mem_tracker import FSDPMemTracker
from torch.distributed._tools.mem_tracker import MemTracker
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor._sharding_prop import ShardingPropagator
from torch.testing._internal.distributed.fake_pg import FakeStore

from tests.oracles.traces.trace import frozen_without_hooks, without_collection


@contextmanager
def fake_world(size: int, rank: int) -> Iterator[None]:
    """`size` ranks of which this process is one; nothing is sent."""
    dist.init_process_group("fake", store=FakeStore(), rank=rank, world_size=size)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _shapes_alone_untracked(tracker: Any) -> Iterator[None]:
    """DTensor works out the shape of a result on whole tensors that exist nowhere; the tracker, which knows a
    propagation by its mode, cannot tell when the step itself is fake.
    """
    infer = ShardingPropagator._propagate_tensor_meta_non_cached

    def unseen(propagator: ShardingPropagator, *args: Any) -> Any:
        entered, tracker._fake_mode_on_entry = tracker._fake_mode_on_entry, object()
        try:
            return infer(propagator, *args)
        finally:
            tracker._fake_mode_on_entry = entered

    with mock.patch.object(ShardingPropagator, "_propagate_tensor_meta_non_cached", unseen):
        yield


@contextmanager
def tracked(model: Any, optimizer: Any, *others: torch.Tensor) -> Iterator[Any]:
    """A tracker over a step of a model; `others` exist already."""
    tracker = FSDPMemTracker(model, optimizer) if isinstance(model, FSDPModule) else MemTracker()
    tracker.track_external(model, optimizer, *others)
    if isinstance(tracker, FSDPMemTracker):
        tracker.track_inputs(others)
    with frozen_without_hooks(), without_collection(), tracker, _shapes_alone_untracked(tracker):
        yield tracker


def peak_of(tracker: Any) -> dict[str, int]:
    """Bytes by category at the highest total."""
    (categories,) = tracker.get_tracker_snapshot("peak").values()
    return {str(getattr(name, "value", name)): count for name, count in categories.items() if count}
