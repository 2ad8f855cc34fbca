"""4-bit base weights as bitsandbytes holds them (bitsandbytes/functional.py, `quantize_4bit`)."""

from functools import cache

from ftspec.catalog.shape import ModelShape
from ftspec.memory.kinds import Kinds
from ftspec.memory.numbers import weighted
from ftspec.memory.outline import Section
from ftspec.memory.shard import Cuts, cut_tensors, cuts_of
from ftspec.memory.weights import layer_weights
from ftspec.plan.model import Plan

BLOCK = 64
"""Weights that share a scale: `quantize_4bit(blocksize=64)`."""

SCALE_BLOCK = 256
"""Scales that share a scale under double quantization: `quantize_blockwise(absmax, blocksize=256)`."""


def packed_bytes(elements: int, double_quantization: bool) -> int:
    """Half a byte a weight and an fp32 scale a block; doubly quantized, a byte and an fp32 scale for 256 of them
    (Dettmers et al. 2023, section 3).
    """
    scales = -(-elements // BLOCK)
    if not double_quantization:
        return -(-elements // 2) + 4 * scales
    return -(-elements // 2) + scales + 4 * -(-scales // SCALE_BLOCK)


def packed_elements(plan: Plan, kinds: Kinds, section: Section) -> int:
    """Weights of a rank that are packed: the matrices of its layers; embedding, head, norms, biases, routers
    and routed experts stay whole (transformers/integrations/bitsandbytes.py, `replace_with_bnb_linear`, leaves the
    head out and replaces `nn.Linear` alone; transformers 5 holds routed experts as plain parameters).
    """
    shape, cuts = plan.model.shape, cuts_of(plan.parallelism)
    packed = [_packed(shape, kinds.each[kind].layer, cuts) for kind in section.outline.kinds]
    return weighted(section.outline.counts, packed)


@cache
def _packed(shape: ModelShape, layer: int, cuts: Cuts) -> int:
    weights = layer_weights(shape, layer)
    return cut_tensors([w for w in weights if w.name.endswith("proj.weight")], cuts).elements
