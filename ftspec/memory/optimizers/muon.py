"""Muon: a momentum of each matrix of the layers, made orthogonal by Newton-Schulz steps; Adam for everything else.

Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/.
"""

from ftspec.memory.numbers import largest, parts
from ftspec.memory.optimizers.adam import moments_of, tensor_temporaries
from ftspec.memory.optimizers.layer_wise import is_layer_wise, layer_wise_shares
from ftspec.memory.optimizers.pieces import Piece, Updated, largest_of, model_pieces, pieces_of
from ftspec.memory.optimizers.width import state_width, steps_on_parameters
from ftspec.plan.model import DTYPE_BYTES


def states(updated: Updated) -> int:
    """One moment of the matrices, and Adam's two of embedding, head, norms and biases."""
    plan = updated.plan
    if steps_on_parameters(plan):
        return _states_of_torch(updated)
    if is_layer_wise(plan):
        shares = layer_wise_shares(plan, updated.kinds, updated.section, updated.degrees)
        return (shares.matrices + 2 * shares.rest) * state_width(plan)
    return _states_of_deepspeed(updated)


def _states_of_torch(updated: Updated) -> int:
    """torch.optim.Muon takes matrices alone, the experts' in one tensor not (torch/optim/_muon.py, `Muon.__init__`)."""
    matrices = rest = tensors = 0
    for piece in pieces_of(updated):
        if piece.inner and piece.form == "matrix":
            matrices = matrices + piece.times * piece.elements
        else:
            rest, tensors = rest + piece.times * piece.elements, tensors + piece.times
    return matrices * state_width(updated.plan) + moments_of(updated.plan, rest, tensors)


def _states_of_deepspeed(updated: Updated) -> int:
    """Without ZeRO the momentum is as wide as the master copy. ZeRO 1 and 2 keep it as wide as the gradients, of every
    matrix of which a rank has a part, and a second time: each step is staged beside it, until it is known not to have
    overflown (deepspeed/runtime/zero/stage_1_and_2.py, `_muon_momentum_buffer`, `_muon_staging_momentum`). ZeRO 3 keeps
    the rank's part in the type of communication (stage3.py, `_create_momentum_buffer`).
    """
    plan, stage, ranks = updated.plan, updated.plan.parallelism.zero_stage, updated.degrees.dense
    pieces = model_pieces(plan, updated.kinds, updated.section)
    owned = [piece for piece in pieces if piece.inner and piece.form != "vector"]
    rest = sum(piece.times * piece.elements for piece in pieces if not piece.inner or piece.form == "vector")
    whole = sum(piece.times * piece.elements for piece in owned)
    if stage == 0:
        return whole * state_width(plan) + moments_of(plan, rest, 0)
    adam = moments_of(plan, parts(rest, ranks), 0)
    if stage == 3:
        own = sum(piece.times * parts(piece.elements, ranks) for piece in owned)
        return own * DTYPE_BYTES[plan.precision.parameters] + adam
    touched = parts(whole, ranks) + (ranks > 1) * max((piece.elements for piece in owned), default=0)
    return 2 * touched * DTYPE_BYTES[plan.precision.gradients] + adam


def temporaries(updated: Updated) -> int:
    """What Newton-Schulz makes of the matrix that needs most, or an unfused Adam of everything else."""
    plan, found = updated.plan, 0
    if steps_on_parameters(plan):
        matrix, found = _iteration, _square_roots(updated)
    else:
        matrix = _of_megatron if is_layer_wise(plan) else _of_deepspeed
        found = 0 if is_layer_wise(plan) else _unfused_adam(updated)
    for piece in model_pieces(plan, updated.kinds, updated.section):
        if piece.inner and piece.form == "matrix":
            found = largest(found, matrix(updated, piece))
    return found


def _unfused_adam(updated: Updated) -> int:
    """What torch's Adam makes of one tensor under DeepSpeed, where it is not fused
    (deepspeed/runtime/engine.py, `get_optimizer_configuration`).
    """
    plan = updated.plan
    if plan.training.optimizer.fused and plan.hardware.accelerator.vendor != "cpu":
        return 0
    rest = [piece for piece in pieces_of(updated) if not piece.inner or piece.form == "vector"]
    return tensor_temporaries(plan, largest_of(rest))


def _square_roots(updated: Updated) -> int:
    """Those of all second moments at once (`adam.temporaries`)."""
    if updated.plan.training.optimizer.fused:
        return 0
    rest = [piece for piece in pieces_of(updated) if not piece.inner or piece.form != "matrix"]
    return sum(piece.times * piece.elements for piece in rest) * state_width(updated.plan)


def _iteration(updated: Updated, piece: Piece) -> int:
    ranks, width = updated.degrees.dense, state_width(updated.plan)
    alone = newton_schulz(piece.rows, piece.columns, width)
    if updated.plan.training.stack != "fsdp2":
        return alone
    return largest((ranks <= 1) * alone, (ranks > 1) * newton_schulz_on_shards(piece.rows, piece.columns, ranks, width))


def newton_schulz(rows: int, columns: int, width: int) -> int:
    """The gradient moved towards the momentum, the old and the new iterate in bf16, and two products of the shorter
    side with itself (torch/optim/_muon.py, `_zeropower_via_newtonschulz`).
    """
    return (width + 4) * rows * columns + 4 * min(rows, columns) ** 2


def newton_schulz_on_shards(rows: int, columns: int, ranks: int, width: int) -> int:
    """The same on DTensors that are cut by rows: four such products and the rank's part of update and iterates, where
    the rows are the longer side; else as many and more of the parts, or the whole matrix twice, gathered for a product
    (torch/distributed/tensor/_ops/_matrix_ops.py, `mm_strategy`; told from traces, to which it is equal).
    """
    products, own = 8 * min(rows, columns) ** 2, parts(rows, ranks) * columns
    if rows > columns:
        return products + (width + 2) * own
    return largest(products + (width + 6) * own, 4 * rows * columns + (2 * width + 2) * own)


def _of_deepspeed(updated: Updated, piece: Piece) -> int:
    width = DTYPE_BYTES[updated.plan.precision.gradients]
    return newton_schulz_of_deepspeed(piece.rows, piece.columns, width)


def newton_schulz_of_deepspeed(rows: int, columns: int, width: int) -> int:
    """Old and new iterate in fp16 and four products; or the update in the gradient's type, with and without what has
    overflown (deepspeed/runtime/zero/muon/original_muon.py, `zeropower_via_gram_newtonschulz`, `muon_update`).
    """
    return max(4 * rows * columns + 8 * min(rows, columns) ** 2, 2 * width * rows * columns)


def _of_megatron(updated: Updated, piece: Piece) -> int:
    """The update in fp32 as it is scaled twice, beside the gradient that it was made of
    (megatron/core/optimizer/emerging_optimizers.py, `scaled_orthogonalize_fn`).
    """
    return 4 * 4 * piece.elements
