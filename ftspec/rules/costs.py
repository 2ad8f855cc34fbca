"""What a change that saves memory costs: a sentence with its source, from `change_costs.json`."""

from collections.abc import Callable, Mapping
from functools import cache
from string import Formatter
from typing import NamedTuple

from ftspec.core.resources import json_beside
from ftspec.plan.model import MethodPlan, OptimizerPlan, Plan
from ftspec.rules.changes import Changes
from ftspec.rules.floating_point import more_products
from ftspec.rules.wording import gigabytes

_ALL_REDUCES = 4
"""In one layer: two in the forward pass and two in the backward pass (Shoeybi et al. 2019, section 3)."""


class Cost(NamedTuple):
    """What a change costs, to be read after "saves N GiB and"; where that is known from; its place in their order."""

    words: str
    source: str
    rank: int


@cache
def _rows() -> Mapping[str, tuple[str, str, int]]:
    rows = json_beside(__file__, "change_costs.json")["costs"]
    return {row["change"]: (row["cost"], row["source"], rank) for rank, row in enumerate(rows)}


def _key(path: str, value: object) -> str:
    said = value.kind if isinstance(value, MethodPlan | OptimizerPlan) else value
    return f"{path}={said}" if f"{path}={said}" in _rows() else path


def cost_of(before: Plan, after: Plan, changes: Changes) -> Cost:
    """The cost of changes as that of the dearest of them; what has to follow the others (data, a lower ZeRO stage
    beside a larger degree) costs nothing by itself. Raises ValueError where no row knows any of them.
    """
    known = [
        _rows()[key]
        for key in (_key(path, value) for path, value in changes.items() if not _follows(path, changes))
        if key in _rows()
    ]
    words, source, rank = max(known, key=lambda row: row[2])
    named = {name for _, name, _, _ in Formatter().parse(words) if name}
    return Cost(words.format(**{name: _WORDS[name](before, after) for name in named}), source, rank)


def _follows(path: str, changes: Changes) -> bool:
    """Whether a change only makes room for another one that is told before it."""
    return path in ("parallelism.zero_stage", "parallelism.sequence_parallel") and next(iter(changes)) != path


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "less than 1%"


def bubble(plan: Plan) -> float:
    """The idle share of a step's time: (p - 1) / (v m + p - 1) (Narayanan et al. 2021, section 2.2)."""
    layout, steps = plan.parallelism, plan.training.gradient_accumulation_steps
    idle = layout.pipeline - 1
    return idle / (layout.virtual_pipeline * steps + idle)


def replica_traffic(plan: Plan) -> int:
    """What a replica sends in a step, in sizes of the trained weights; nothing if it is the only one. 2 for a
    reduce-scatter and an all-gather; from ZeRO 2 on gradients are reduced in each micro-batch, under ZeRO 3 weights
    are gathered twice in each (Rajbhandari et al. 2020, section 7).
    """
    steps, layout = plan.training.gradient_accumulation_steps, plan.parallelism
    if layout.data * layout.context == 1:
        return 0
    return {0: 2, 1: 2, 2: steps + 1, 3: 3 * steps}[layout.zero_stage]


def tensor_traffic(plan: Plan) -> float:
    """Bytes that a GPU sends for its tensor group in one micro-batch: all-reduces of the 16-bit residual stream, each
    of which sends 2 (t - 1) / t of its size (Shoeybi et al. 2019, section 3; Patarasuk and Yuan 2009).
    """
    training, layout, shape = plan.training, plan.parallelism, plan.model.shape
    tokens = training.micro_batch_size * training.sequence_length / layout.context
    width = 4 if plan.precision.compute == "fp32" else 2
    layers = shape.num_hidden_layers / layout.pipeline
    return _ALL_REDUCES * layers * tokens * shape.hidden_size * width * 2 * (layout.tensor - 1) / layout.tensor


def _tensor_time(plan: Plan) -> str:
    seconds = tensor_traffic(plan) / plan.hardware.accelerator.intra_node_bandwidth
    return f"{1000 * seconds:,.0f} ms" if seconds >= 0.001 else "under 1 ms"


def _traffic(number_of_bytes: float) -> str:
    return gigabytes(number_of_bytes) if number_of_bytes >= 1e8 else f"{number_of_bytes / 1e6:,.1f} MB"


def _communication(before: Plan, after: Plan) -> str:
    was, now = replica_traffic(before), replica_traffic(after)
    if was == now:
        return "as much" if now else "nothing"
    return f"{_times(now, was)} times as much" if was else f"{now} times the weights' size"


def _times(after: float, before: float) -> str:
    ratio = after / before
    return f"{ratio:,.0f}" if ratio == int(ratio) or ratio >= 100 else f"{ratio:.3g}"


_WORDS: Mapping[str, Callable[[Plan, Plan], str]] = {
    "more_products": lambda before, after: _percent(more_products(before, after)),
    "micro_batches": lambda before, after: _times(before.training.micro_batch_size, after.training.micro_batch_size),
    "communication": _communication,
    "expert": lambda before, after: str(after.parallelism.expert),
    "context": lambda before, after: str(after.parallelism.context),
    "tensor_traffic": lambda before, after: _traffic(tensor_traffic(after)),
    "tensor_time": lambda before, after: _tensor_time(after),
    "link": lambda before, after: after.hardware.accelerator.intra_node_name,
    "bubble": lambda before, after: _percent(bubble(after)),
    "bubble_before": lambda before, after: _percent(bubble(before)) if before.parallelism.pipeline > 1 else "none",
    "nodes": lambda before, after: _times(after.hardware.nodes, before.hardware.nodes),
    "length": lambda before, after: f"{after.training.sequence_length:,}",
}
"""What stands in braces in the data file, for a change of the first plan into the second."""
