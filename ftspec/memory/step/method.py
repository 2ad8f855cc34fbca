"""The training method as the step sees it: which layers are trained, and what needs a gradient below them."""

from functools import cache

from ftspec.catalog.parameters import has_experts
from ftspec.catalog.shape import ModelShape
from ftspec.memory.numbers import alike
from ftspec.memory.shard import MEGATRON_STACKS
from ftspec.memory.step.adapted import ATTENTION_TARGETS, LINEAR_TARGETS
from ftspec.memory.step.adapter_modules import projections_named
from ftspec.memory.step.code import code_of
from ftspec.memory.step.setting import Adapter, Setting, Variant
from ftspec.memory.trained_width import trained_width
from ftspec.plan.model import DTYPE_BYTES, MethodPlan, Plan

MODULES_IN_COMPUTE_TYPE = MEGATRON_STACKS | {"fsdp2"}
"""Stacks whose modules hold the weights of a product in compute's type, whatever else they keep (FSDP2's mixed
precision policy casts on all-gather; Megatron converts the module). The others autocast fp32 parameters.
"""


def compute_width(plan: Plan) -> int:
    """Bytes of one activation: fp8 products take and give 16-bit tensors (Transformer Engine)."""
    return 4 if plan.precision.compute == "fp32" else 2


@cache
def adapter_of(shape: ModelShape, method: MethodPlan) -> Adapter | None:
    """The adapter of a LoRA or QLoRA job."""
    if method.kind not in ("lora", "qlora"):
        return None
    targets: set[str] = set()
    for target in method.targets:
        named = projections_named(shape, target)
        targets |= {"attention": ATTENTION_TARGETS, "all_linear": LINEAR_TARGETS}.get(target, named)
    return Adapter(method.rank, DTYPE_BYTES[method.adapter_dtype], method.dropout > 0, frozenset(targets))


def setting_of(plan: Plan) -> Setting:
    """The setting of a plan's layers."""
    training, compute = plan.training, compute_width(plan)
    held = compute if training.stack in MODULES_IN_COMPUTE_TYPE else DTYPE_BYTES[plan.precision.parameters]
    tensor, adapter = max(1, plan.parallelism.tensor), adapter_of(plan.model.shape, training.method)
    if adapter is not None:
        adapter = adapter._replace(width=compute if training.stack == "fsdp2" else trained_width(plan))
    return Setting(
        shape=plan.model.shape,
        compute=compute,
        parameters=held,
        attention=training.attention,
        tensor=tensor,
        sequence_parallel=plan.parallelism.sequence_parallel and tensor > 1,
        adapter=adapter,
        quantized=training.method.kind == "qlora",
        expert=max(1, plan.parallelism.expert),
        expert_tensor=max(1, plan.parallelism.expert_tensor) if plan.model.shape.moe else 1,
        loss=training.loss,
        megatron=training.stack in MEGATRON_STACKS and training.method.kind == "full",
        capacity=plan.megatron.expert_capacity_factor or None,
        pads_to_capacity=plan.megatron.pads_to_capacity,
        recomputed=frozenset(plan.megatron.recompute_modules) if recomputes_modules(plan) else frozenset(),
        context_exchange=plan.megatron.context_exchange,
        several=copies_operands(plan.model.shape, training.attention) and alike(training.micro_batch_size > 1),
        fp8=plan.precision.compute == "fp8" and training.stack == "megatron",
    )


def copies_operands(shape: ModelShape, attention: str) -> bool:
    """Whether products of heads copy their operands where a micro-batch has several sequences: those that are written
    out, here or in a kernel's stead.
    """
    return attention == "eager" or (attention == "sdpa" and code_of(shape).projections == "falcon")


def recomputes_modules(plan: Plan) -> bool:
    """Whether named modules of each layer are recomputed (`--recompute-granularity selective`)."""
    training = plan.training
    full = training.stack == "megatron" and training.method.kind == "full"
    return full and training.activation_checkpointing == "selective"


def inputs_require_gradients(plan: Plan) -> bool:
    """Whether the embedding's output requires a gradient though the embedding is frozen: checkpointing needs it, and
    transformers sees to it (transformers/modeling_utils.py, `enable_input_require_grads`).
    """
    return plan.training.method.kind != "full" and plan.training.activation_checkpointing == "full"


def trains_embedding(shape: ModelShape, method: MethodPlan) -> bool:
    """Whether the input embedding gets a gradient: a tied one does when the head is trained."""
    if method.kind == "full":
        return True
    return method.kind == "partial" and (method.embeddings or (method.head and shape.tie_word_embeddings))


def embedding_is_leaf(plan: Plan) -> bool:
    """Whether the embedding's output requires a gradient by itself: no weight that makes it is trained."""
    return inputs_require_gradients(plan) and not embedding_trained(plan)


def layer_variant(shape: ModelShape, method: MethodPlan, layer: int, below: bool) -> Variant:
    """How a layer takes part in training; `below`: whether the embedding's output requires a gradient."""
    experts = has_experts(shape, layer)
    if method.kind == "full":
        return Variant(True, True, experts)
    if method.kind != "partial":
        return Variant(True, below or layer > 0, experts)
    first = shape.num_hidden_layers - method.last_layers
    return Variant(layer >= first, below or trains_embedding(shape, method) or layer > first, experts)


def head_variant(plan: Plan) -> Variant:
    """How the final norm and the head take part: trained with everything, or as `head` says."""
    method = plan.training.method
    if method.kind == "full":
        return Variant()
    below = method.kind != "partial" or method.last_layers > 0
    below = below or embedding_trained(plan) or inputs_require_gradients(plan)
    return Variant(method.kind == "partial" and method.head, below)


def embedding_trained(plan: Plan) -> bool:
    """Whether the input embedding gets a gradient."""
    return trains_embedding(plan.model.shape, plan.training.method)
