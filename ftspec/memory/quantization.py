"""4-bit base weights as bitsandbytes holds them (bitsandbytes/functional.py, `quantize_4bit`)."""

from ftspec.memory.shard import cut_tensors, cuts_of
from ftspec.memory.weights import layer_weights
from ftspec.plan.model import Plan
from ftspec.plan.stages import Stage

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


def packed_elements(plan: Plan, stage: Stage) -> int:
    """Weights of a rank that are packed: the matrices of its layers; embedding, head, norms and biases stay whole
    (transformers/integrations/bitsandbytes.py leaves `lm_head` out and replaces `nn.Linear` alone).
    """
    cuts, total = cuts_of(plan.parallelism), 0
    for chunk in stage.chunks:
        for layer in chunk:
            weights = layer_weights(plan.model.shape, layer)
            matrices = tuple(w for w in weights if w.name.endswith("proj.weight") or w.cut == "expert")
            total += cut_tensors(matrices, cuts).elements
    return total
