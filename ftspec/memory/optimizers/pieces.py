"""What an optimizer updates on one rank, tensor by tensor."""

from typing import Literal, NamedTuple

from ftspec.memory.holdings import Degrees
from ftspec.memory.kinds import Kinds
from ftspec.memory.numbers import largest, parts
from ftspec.memory.outline import Section
from ftspec.memory.shard import Sizes, Tensor
from ftspec.memory.trained import trained_ends, trained_layer
from ftspec.plan.model import Plan

Form = Literal["vector", "matrix", "stack"]
"""A stack is what transformers makes of the experts of a layer: their matrices in one tensor."""


class Piece(NamedTuple):
    """Alike tensors on a rank: how many; their form, of `stack` matrices of `rows` × `columns`; and whether they lie in
    the model's layers (else in embedding, final norm and head).
    """

    times: int
    form: Form
    stack: int
    rows: int
    columns: int
    inner: bool

    @property
    def elements(self) -> int:
        """Elements of one of them."""
        return self.stack * self.rows * self.columns


_WHOLE = Degrees(1, 1)


class Updated(NamedTuple):
    """What the optimizer of one rank of a stage updates: `elements` in `tensors` tensors; `pieces_of` lists them."""

    plan: Plan
    kinds: Kinds
    section: Section
    degrees: Degrees
    elements: int
    tensors: int


def is_flat(plan: Plan) -> bool:
    """Whether the optimizer gets parts of a flat buffer, in which there is no matrix: DeepSpeed's ZeRO and Megatron's
    distributed optimizer (deepspeed/runtime/zero/stage_1_and_2.py, `single_partition_of_fp32_groups`;
    megatron/core/optimizer/distrib_optimizer.py, `_build_model_and_main_param_groups`).
    """
    layout = plan.parallelism
    return plan.training.stack not in ("ddp", "fsdp2") and (layout.zero_stage > 0 or layout.distributed_optimizer)


def pieces_of(updated: Updated) -> list[Piece]:
    """The tensors as the optimizer sees them: whole, or under FSDP2 the rank's rows of each
    (torch/distributed/fsdp/_fully_shard/_fsdp_param.py, `_init_sharded_param`); or one vector, where they lie flat.
    """
    plan = updated.plan
    if is_flat(plan):
        return [Piece(1, "vector", 1, updated.elements, 1, inner=False)]
    degrees = updated.degrees if plan.training.stack == "fsdp2" else _WHOLE
    return model_pieces(plan, updated.kinds, updated.section, degrees)


def model_pieces(plan: Plan, kinds: Kinds, section: Section, degrees: Degrees = _WHOLE) -> list[Piece]:
    """The trained tensors of a stage, or of each a part of its rows."""
    found: list[Piece] = []
    for count, kind in zip(section.outline.counts, section.outline.kinds, strict=True):
        shard = trained_layer(plan, kinds.each[kind])
        found += _pieces(shard.dense, count, degrees.dense, inner=True)
        found += [_experts(plan, tensor, count * times, degrees.expert) for tensor, times in shard.expert]
    return found + _pieces(trained_ends(plan, section.embedding, section.head).dense, 1, degrees.dense, inner=False)


def _pieces(sizes: Sizes, count: int, degree: int, inner: bool) -> list[Piece]:
    return [
        Piece(
            count * times,
            "matrix" if tensor.columns > 1 else "vector",
            1,
            parts(tensor.rows, degree),
            tensor.columns,
            inner,
        )
        for tensor, times in sizes
    ]


def _experts(plan: Plan, tensor: Tensor, count: int, degree: int) -> Piece:
    """The first dimension counts the experts, and one of the other two is as wide as what they read; their biases are a
    matrix.
    """
    moe = plan.model.shape.moe
    assert moe is not None
    width, experts = moe.latent_size or plan.model.shape.hidden_size, parts(tensor.rows, degree)
    if tensor.columns <= 2 * max(width, moe.moe_intermediate_size):
        return Piece(count, "matrix", 1, experts, tensor.columns, inner=True)
    return Piece(count, "stack", experts, tensor.columns // width, width, inner=True)


def largest_of(pieces: list[Piece]) -> int:
    """Elements of the largest tensor."""
    found = 0
    for piece in pieces:
        found = largest(found, piece.elements)
    return found
