"""Adafactor: of a matrix' second moment a row and a column (Shazeer and Stern 2018, section 3), no first moment."""

from ftspec.memory.numbers import largest
from ftspec.memory.optimizers.pieces import Piece, Updated, largest_of, pieces_of
from ftspec.memory.optimizers.width import state_width, steps_on_parameters
from ftspec.memory.trained_width import trained_width

ROOT_MEAN_SQUARE = 4
"""transformers keeps the root mean square of each tensor, in fp32 on the device (transformers/optimization.py,
`Adafactor.step`: `state["RMS"]`).
"""


def states(updated: Updated) -> int:
    """Of each matrix a row and a column, of a vector the whole second moment. The Hugging Face Trainer takes
    transformers' Adafactor, whose states are fp32 whatever the parameters are; DeepSpeed takes torch's
    (torch/optim/_adafactor.py, `_init_group`: as wide as the gradient), whose step counters lie on the host.
    """
    found = sum(piece.times * _factors(piece) for piece in pieces_of(updated))
    if steps_on_parameters(updated.plan):
        return 4 * found + ROOT_MEAN_SQUARE * updated.tensors
    return found * state_width(updated.plan)


def _factors(piece: Piece) -> int:
    """Numbers in the factors of a tensor; a stack has those of each of its matrices."""
    return piece.elements if piece.form == "vector" else piece.stack * (piece.rows + piece.columns)


def temporaries(updated: Updated) -> int:
    """transformers goes tensor by tensor. At the highest there are its gradient and itself in fp32, if they are not
    already, the gradient squared, and what the factors make of it beside their roots (`_approx_sq_grad`); or the same
    with epsilon instead, and the update of the tensor before, which among the matrices of an MLP is as large.
    """
    pieces = pieces_of(updated)
    if not steps_on_parameters(updated.plan):
        return _of_torch(pieces, state_width(updated.plan))
    copies = 2 if trained_width(updated.plan) < 4 else 0
    found = 4 * (copies + 3) * _largest_in_a_row(pieces)
    for piece in pieces:
        roots = 0 if piece.form == "vector" else _factors(piece)
        found = largest(found, 4 * ((copies + 2) * piece.elements + roots))
    return found


def _largest_in_a_row(pieces: list[Piece]) -> int:
    return largest_of([piece for piece in pieces if piece.inner and piece.form == "matrix"])


def _of_torch(pieces: list[Piece], width: int) -> int:
    """torch's goes tensor by tensor too: the estimate of a tensor's second moment becomes the update in place, beside
    the update of the tensor before (torch/optim/_adafactor.py, `_single_tensor_adafactor`): in an MLP of one as large;
    after the embedding's of the first layer's first matrix.
    """
    matrices = [piece.elements for piece in pieces if piece.inner and piece.form == "matrix"]
    return width * largest(largest_of(pieces) + (matrices[0] if matrices else 0), 2 * _largest_in_a_row(pieces))
