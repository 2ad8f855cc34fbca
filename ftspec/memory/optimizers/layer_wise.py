"""How Megatron shards muon and lion: whole matrices of the layers are dealt out, and Adam updates everything else.

Sources: megatron/training/arguments.py (`use_layer_wise_distributed_optimizer`);
megatron/core/optimizer/emerging_optimizers.py, `_default_param_overrides_factory`;
megatron/core/optimizer/layer_wise_optimizer.py, `_compute_per_buffer_param_layout`.
"""

from typing import NamedTuple

from ftspec.memory.holdings import Degrees
from ftspec.memory.kinds import Kinds
from ftspec.memory.numbers import parts, smallest
from ftspec.memory.optimizers.pieces import Piece, largest_of, model_pieces
from ftspec.memory.outline import Section
from ftspec.memory.shard import MEGATRON_STACKS
from ftspec.plan.model import Plan


class Shares(NamedTuple):
    """Elements of the fullest rank: of matrices, and of what Adam updates."""

    matrices: int
    rest: int


def is_layer_wise(plan: Plan) -> bool:
    """Whether the optimizer is one that Megatron takes from the emerging-optimizers package."""
    return plan.training.stack in MEGATRON_STACKS and plan.training.optimizer.kind in ("muon", "lion")


def layer_wise_shares(plan: Plan, kinds: Kinds, section: Section, degrees: Degrees) -> Shares:
    """What one rank updates. Adam's part is divided evenly, as with any distributed optimizer."""
    pieces = model_pieces(plan, kinds, section)
    matrices = [piece for piece in pieces if piece.inner and piece.form == "matrix"]
    experts = [_one_by_one(piece) for piece in pieces if piece.form == "stack"]
    rest = sum(piece.times * piece.elements for piece in pieces if not piece.inner or piece.form == "vector")
    if plan.parallelism.zero_stage == 0 and not plan.parallelism.distributed_optimizer:
        degrees = Degrees(1, 1)
    dealt = _dealt(matrices, degrees.dense) + _dealt(experts, degrees.expert)
    return Shares(dealt, parts(rest, degrees.dense))


def _one_by_one(piece: Piece) -> Piece:
    """Megatron holds each expert's matrix by itself."""
    return piece._replace(times=piece.times * piece.stack, form="matrix", stack=1)


def _dealt(matrices: list[Piece], ranks: int) -> int:
    """Elements of the fullest rank, as if all matrices were dealt out at once: the largest first, each to the rank that
    has least. Then none has more than an even share and one matrix; taken as well is that none has more of each size
    than an even share of their number. Megatron deals bucket by bucket, so a rank may be that much above its share in
    each bucket, which is not counted.
    """
    total = sum(piece.times * piece.elements for piece in matrices)
    by_size = sum(parts(piece.times, ranks) * piece.elements for piece in matrices)
    return smallest(by_size, parts(total, ranks) + (ranks > 1) * largest_of(matrices))
