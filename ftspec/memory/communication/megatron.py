"""What Megatron and Transformer Engine allocate once and keep: the pipeline's buffers, the gathered input of the output
layer, placeholders for gradients that went into the main gradients, and workspaces of products.
"""

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.communication.pipeline import passed_between_stages, received
from ftspec.memory.facts import fact
from ftspec.memory.numbers import largest, weighted
from ftspec.memory.shard import cuts_of, layer_shard
from ftspec.memory.step.frame import Frame
from ftspec.memory.step.megatron_weights import fused_weight_shapes
from ftspec.memory.step.operations import FP32

HOPPER = 9
"""First number of the compute capability from which on Transformer Engine's workspaces are larger."""

BLACKWELL = 10
"""That from which on products in 8 bits read columns as well as rows."""


def megatron_buffers(frame: Frame) -> Buffers:
    """The buffers of a stage."""
    always = gathered_head_input(frame)
    if not frame.setting.megatron or frame.plan.training.stack != "megatron":
        return Buffers(always=always + received(frame))
    passed = passed_between_stages(frame)
    always = always + passed.always + product_workspaces(frame) + attention_mask(frame)
    always = always + quantized_weights(frame)
    layer, ends = recomputed_output(frame), 0
    if frame.plan.megatron.fuses_weight_gradients:
        always = always + placeholder_gradients(frame)
    else:
        layer, ends = layer + max(_sizes(frame, head=False), default=0), _head_gradient(frame)
    return Buffers(always, passed.forward, ends + passed.ends, layer, embedding=passed.embedding)


def recomputed_output(frame: Frame) -> int:
    """What a recomputed group of layers gives is there until it has run backward
    (megatron/core/tensor_parallel/random.py, `CheckpointFunction.backward`: `outputs`).
    """
    full = frame.plan.training.activation_checkpointing == "full"
    return full * frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.compute


def _sizes(frame: Frame, head: bool) -> list[int]:
    """Bytes of each shape among the stage's matrices, in the weights' type."""
    variants = [frame.kinds.each[kind].variant for kind in frame.outline.kinds]
    shapes = {shape for variant in variants for shape in fused_weight_shapes(frame.setting, variant)}
    if head and frame.section.head:
        shapes.add((frame.vocabulary, frame.setting.shape.hidden_size))
    return [rows * columns * frame.setting.parameters for rows, columns in shapes]


def _head_gradient(frame: Frame) -> int:
    """The gradient of the output layer's weight beside that of the logits, as far as it is more than the softmax in
    fp32 that has gone by then (megatron/core/tensor_parallel/layers.py: `grad_output.t().matmul(total_input)`).
    """
    table = frame.vocabulary * frame.setting.shape.hidden_size * frame.setting.parameters
    return largest(table - frame.vocabulary * frame.point.tokens * FP32, 0)


def placeholder_gradients(frame: Frame) -> int:
    """A tensor for each shape among the weights whose gradients a product adds to the main gradients: autograd must be
    given one, so Transformer Engine keeps one for good (transformer_engine/pytorch/module/base.py, `get_dummy_wgrad`;
    megatron/core/tensor_parallel/layers.py, `LinearWithGradAccumulationAndAsyncCommunication.backward`).
    """
    return sum(_sizes(frame, head=True))


def quantized_weights(frame: Frame) -> int:
    """Under fp8 each module keeps an 8-bit copy of its weights from a step's first micro-batch on, and below compute
    capability 10, whose products read rows alone, their transpose (transformer_engine/pytorch/module/base.py,
    `quantize_weight`; pytorch/utils.py, `is_non_tn_fp8_gemm_supported`). The output layer's products have 16 bits.
    """
    if not frame.setting.fp8:
        return 0
    matrices = [_matrix_elements(frame, kind) for kind in frame.outline.kinds]
    return weighted(frame.outline.counts, matrices) * (1 if _generation(frame) >= BLACKWELL else 2)


def _matrix_elements(frame: Frame, kind: int) -> int:
    """Elements of the matrices of a layer on this rank."""
    variant, number = frame.kinds.each[kind]
    shard = layer_shard(frame.setting.shape, number, cuts_of(frame.plan.parallelism))
    own = (*shard.dense, *shard.expert)
    router = frame.setting.shape.moe.num_experts if variant.experts and frame.setting.shape.moe else 0
    matrices = sum(tensor.rows * tensor.columns * times for tensor, times in own if tensor.columns > 1)
    return matrices - router * frame.setting.shape.hidden_size


def _generation(frame: Frame) -> int:
    """The first number of the compute capability; an accelerator without one is no Hopper."""
    first = frame.plan.hardware.accelerator.compute_capability.partition(".")[0]
    return int(first) if first.isdigit() else 0


def attention_mask(frame: Frame) -> int:
    """A boolean for each pair of positions, which the data loader makes for the stages that read a batch
    (megatron/core/datasets/gpt_dataset.py, `create_attention_mask`), though no kernel of a causal model reads it.
    """
    if not frame.plan.megatron.makes_attention_mask or not (frame.section.embedding or frame.section.head):
        return 0
    return frame.point.pairs


def product_workspaces(frame: Frame) -> int:
    """cuBLAS's workspace of Transformer Engine's own products, and one for each of its streams where products of
    experts are grouped (transformer_engine/pytorch/cpp_extensions/gemm.py, `get_cublas_workspace`).
    """
    if frame.plan.hardware.accelerator.vendor != "nvidia":
        return 0
    hopper = _generation(frame) >= HOPPER
    one = fact("transformer_engine", "workspace_bytes" if hopper else "workspace_bytes_before_hopper")
    experts = any(frame.kinds.each[kind].variant.experts for kind in frame.outline.kinds)
    return one * (1 + (fact("transformer_engine", "grouped_product_streams") if experts else 0))


def gathered_head_input(frame: Frame) -> int:
    """Megatron's output layer gathers its input along the sequence into a buffer that lives on
    (megatron/core/utils.py, `GlobalMemoryBuffer`; Transformer Engine's layers release theirs).
    """
    if not (frame.section.head and frame.setting.megatron and frame.setting.sequence_parallel):
        return 0
    return frame.point.tokens * frame.setting.shape.hidden_size * frame.setting.compute
