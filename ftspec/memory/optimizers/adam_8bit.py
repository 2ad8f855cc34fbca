"""Moments of 8 bits: AdamW's, or another optimizer's of bitsandbytes."""

from ftspec.memory.numbers import choose, parts
from ftspec.memory.optimizers.pieces import Piece, Updated, largest_of, pieces_of
from ftspec.memory.trained_width import trained_width
from ftspec.plan.model import Plan

BLOCK = 256
"""Elements that share an fp32 scale (bitsandbytes/optim/optimizer.py, `Optimizer2State.init_state`; torchao's default
too).
"""

SMALLEST = 4096
"""Tensors below keep unquantized moments (the same file, `min_8bit_size`; torchao/optim/adam.py, `_new_buffer`)."""

SMALLEST_PAGED = 100_000
"""Moments of fewer elements are never paged (bitsandbytes/optim/optimizer.py, `get_state_buffer`)."""

MAP_BYTES = 4 * 256
"""An fp32 table from codes to numbers (bitsandbytes/functional.py, `create_dynamic_map`)."""


def states(updated: Updated, moments: int) -> int:
    """bitsandbytes' `AdamW8bit`: of each moment a byte an element and an fp32 scale a block (Dettmers et al. 2022,
    section 2), and a table for all tensors. Its kernels do not take DTensors: under FSDP2 it is torchao's, with a table
    for each tensor.

    A paged optimizer's moments lie in managed memory, which torch does not count and the driver moves to the host where
    the device is full; their scales do not, nor the moments of small tensors (`get_state_buffer`).
    """
    pieces = pieces_of(updated)
    if updated.plan.training.stack == "fsdp2":
        return sum(piece.times * moments * _torchao(updated.plan, piece) for piece in pieces)
    tables = (updated.tensors > 0) * MAP_BYTES
    paged = updated.plan.training.optimizer.paged
    return moments * (tables + sum(piece.times * _bitsandbytes(piece, paged) for piece in pieces))


def _bitsandbytes(piece: Piece, paged: bool) -> int:
    elements = piece.elements
    codes = choose(elements < SMALLEST_PAGED, elements, 0) if paged else elements
    return choose(elements < SMALLEST, 4 * elements, codes + 4 * parts(elements, BLOCK))  # type: ignore[no-any-return]


def _torchao(plan: Plan, piece: Piece) -> int:
    """Tensors that do not divide into blocks are not quantized, but as wide as the parameter."""
    elements = piece.elements
    quantized = (elements >= SMALLEST) & (elements % BLOCK == 0)
    packed = elements + 4 * (elements // BLOCK) + MAP_BYTES
    return choose(quantized, packed, elements * trained_width(plan))  # type: ignore[no-any-return]


def temporaries(updated: Updated) -> int:
    """bitsandbytes' kernels work in place. torchao's compiled step holds both moments of one tensor in fp32 while it
    finds the scales of their blocks (torchao/optim/adam.py, `single_param_adam`).
    """
    if updated.plan.training.stack != "fsdp2":
        return 0
    return 2 * 4 * largest_of(pieces_of(updated))
