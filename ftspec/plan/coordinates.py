"""Rank coordinates: where each GPU stands in the layout, in Megatron's order."""

from typing import NamedTuple

from ftspec.plan.model import ParallelismPlan


class RankCoordinates(NamedTuple):
    """A rank's index along each axis. `expert` and `expert_data` split the same ranks as data × context × tensor."""

    tensor: int
    context: int
    data: int
    pipeline: int
    expert: int
    expert_data: int


def rank_coordinates(parallelism: ParallelismPlan, rank: int) -> RankCoordinates:
    """The coordinates of a global rank, counted from 0.

    Tensor varies fastest, then context, data and pipeline: Megatron's default order `tp-cp-ep-dp-pp`
    (megatron/core/parallel_state.py, `RankGenerator`). Experts have an order of their own over the same
    ranks of one pipeline stage: expert_tensor fastest, then expert, then what is left of the data axis.
    """
    rest, tensor = divmod(rank, parallelism.tensor)
    rest, context = divmod(rest, parallelism.context)
    pipeline, data = divmod(rest, parallelism.data)
    within_stage = rank % (parallelism.tensor * parallelism.context * parallelism.data)
    expert_rest = within_stage // parallelism.expert_tensor
    expert_data, expert = divmod(expert_rest, parallelism.expert)
    return RankCoordinates(tensor, context, data, pipeline, expert, expert_data)


def node_of(rank: int, gpus_per_node: int) -> int:
    """The node that a global rank runs on: ranks fill the nodes in order."""
    return rank // gpus_per_node
