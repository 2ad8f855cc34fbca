"""4-bit base weights as bitsandbytes holds them (bitsandbytes/functional.py, `quantize_4bit`)."""

from functools import cache
from typing import NamedTuple

from ftspec.catalog.shape import ModelShape
from ftspec.memory.holdings import Degrees, tensorwise_part
from ftspec.memory.kinds import Kinds
from ftspec.memory.numbers import parts, weighted
from ftspec.memory.outline import Section
from ftspec.memory.shard import NOTHING, Cuts, Shard, Tensor, cut_tensors, cuts_of
from ftspec.memory.step.code import code_of
from ftspec.memory.weights import layer_weights
from ftspec.plan.model import Plan

BLOCK = 64
"""Weights that share a scale: `quantize_4bit(blocksize=64)`."""

SCALE_BLOCK = 256
"""Scales that share a scale under double quantization: `quantize_blockwise(absmax, blocksize=256)`."""

CODE_BYTES = 4 * 16
"""The fp32 numbers that 4 bits stand for, a table for each weight: `get_4bit_type`."""

SCALE_CODE_BYTES = 4 * 256 + 4
"""The table of the scales of doubly quantized weights, one for each, and what is added to them: `QuantState.offset`."""

_PROJECTIONS = ("proj.weight", "proj_with_mqa.weight", "shared_expert_gate.weight", "mixer.weight", "mlp.weight")
"""How the names of the weights that are packed end; of layers that are not listed tensor by tensor, those that are
mostly projections."""


def scale_bytes(elements: int, double_quantization: bool) -> int:
    """An fp32 scale a block; doubly quantized, a byte and an fp32 scale for 256 of them (Dettmers et al. 2023,
    section 3); and the tables.
    """
    scales = parts(elements, BLOCK)
    if not double_quantization:
        return 4 * scales + CODE_BYTES
    return scales + 4 * parts(scales, SCALE_BLOCK) + CODE_BYTES + SCALE_CODE_BYTES


class Packed(NamedTuple):
    """The packed weights of a rank: their elements, as they count among those of all weights, and their bytes."""

    elements: int
    held: int


def packed_of(plan: Plan, kinds: Kinds, section: Section, degrees: Degrees, sharded: bool) -> Packed:
    """The matrices of a stage's layers. Where a stack shards parameters it divides the packed weights, as numbers of
    the compute type, which `bnb_4bit_quant_storage` has to say (accelerate/utils/fsdp_utils.py, `fsdp2_prepare_model`:
    others are left whole); scales and tables are no parameters, and whole on every rank.
    """
    shape, cuts = plan.model.shape, cuts_of(plan.parallelism)
    by_rows, double = plan.training.stack == "fsdp2", plan.training.method.double_quantization
    elements, held = [], []
    for kind in section.outline.kinds:
        shard = packed_matrices(shape, kinds.each[kind].layer, cuts)
        elements.append(tensorwise_part(shard, degrees, by_rows) if sharded else shard.elements)
        held.append(sum(times * _held(tensor.elements, degrees, sharded, double) for tensor, times in shard.dense))
    return Packed(weighted(section.outline.counts, elements), weighted(section.outline.counts, held))


def _held(elements: int, degrees: Degrees, sharded: bool, double_quantization: bool) -> int:
    packed = 2 * parts(parts(elements, 4), degrees.dense) if sharded else parts(elements, 2)
    return packed + scale_bytes(elements, double_quantization)


@cache
def as_held(matrices: Shard) -> Shard:
    """Packed matrices as the parameters that they are: numbers of the 16-bit storage type, four weights in each
    (bitsandbytes/functional.py, `quantize_4bit`: `quant_storage`).
    """
    return Shard(tuple((Tensor(parts(tensor.elements, 4), 1), times) for tensor, times in matrices.dense), ())


@cache
def packed_matrices(shape: ModelShape, layer: int, cuts: Cuts) -> Shard:
    """The weights of a layer that are packed: its projections. Embedding, head, norms, biases, routers and routed
    experts stay whole (transformers/integrations/bitsandbytes.py, `replace_with_bnb_linear`, leaves the head out and
    replaces `nn.Linear` alone; transformers 5 holds routed experts as plain parameters). What is not packed is as wide
    as the plan's parameters: fp32 after peft's `prepare_model_for_kbit_training`, which trainers mostly undo for the
    embedding and the head (peft/utils/other.py).
    """
    if not code_of(shape).packed:
        return NOTHING
    return cut_tensors([w for w in layer_weights(shape, layer) if w.name.endswith(_PROJECTIONS)], cuts)
