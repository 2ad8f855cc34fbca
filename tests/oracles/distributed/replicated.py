"""DDP as its users apply it: buckets of its own, or the gradients as views into them."""

from typing import Any

import torch
from torch.distributed import GradBucket
from torch.nn.parallel import DistributedDataParallel


class _Reducer:
    """The reducer, whose buckets stay as they are: to order them anew it would read numbers that fake tensors lack."""

    def __init__(self, reducer: Any) -> None:
        self.reducer = reducer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reducer, name)

    def _rebuild_buckets(self) -> bool:
        return False


def replicate(model: Any) -> tuple[DistributedDataParallel, list[torch.Tensor]]:
    """The model under DDP, and the buckets as they come up in a backward pass; nothing is sent."""
    replica, buckets = DistributedDataParallel(model, init_sync=False), []

    def keep(_: None, bucket: GradBucket) -> torch.futures.Future[torch.Tensor]:
        buckets.append(bucket.buffer())
        done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
        done.set_result(bucket.buffer())
        return done

    replica.register_comm_hook(None, keep)
    replica.reducer = _Reducer(replica.reducer)
    return replica, buckets
