"""The model's shape as Megatron's arguments."""

from ftspec.backends.megatron.argument import Argument
from ftspec.backends.megatron.biases import bias_arguments
from ftspec.backends.megatron.pattern import layer_pattern
from ftspec.backends.megatron.rotary_arguments import epsilon_arguments, rotary_arguments, takes_yarn
from ftspec.backends.megatron.routing import routing_arguments
from ftspec.backends.megatron.window import window_arguments
from ftspec.catalog.parameters import has_experts
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import MlaShape, MoeShape
from ftspec.plan.model import Plan

SHAPE = "model.shape"
DEFAULT_VOCABULARY_MULTIPLE = 128
"""Megatron's default of --make-vocab-size-divisible-by (megatron/training/arguments.py)."""
_POSITIONS = {"rope": "rope", "learned": "learned_absolute", "none": "none"}
_NORMS = {"rmsnorm": "RMSNorm", "layernorm": "LayerNorm"}
_MANY_EXPERTS = 32
"""From here Megatron advises fp32 routing (megatron/core/transformer/transformer_config.py)."""
_GROUPED_GEMM_CAPABILITY = 8
"""validate_args refuses grouped GEMM below compute capability 8."""


def model_arguments(plan: Plan, vocabulary_multiple: int) -> list[Argument]:
    """Everything that fixes the parameters' shapes, and what the model computes with them."""
    shape = plan.model.shape
    arguments = [
        _shape("num-layers", shape.num_hidden_layers),
        _shape("hidden-size", shape.hidden_size),
        _shape("ffn-hidden-size", dense_width(shape)),
        _shape("num-attention-heads", shape.num_attention_heads),
        *_head_arguments(shape),
        _shape("max-position-embeddings", shape.max_position_embeddings),
        _shape("position-embedding-type", "yarn" if takes_yarn(shape) else _POSITIONS.get(shape.position, "none")),
        *rotary_arguments(shape),
        _shape("normalization", _NORMS.get(shape.norm, "LayerNorm")),
        *epsilon_arguments(shape),
        *_activation_arguments(shape),
        *([] if shape.tie_word_embeddings else [_shape("untie-embeddings-and-output-weights", True)]),
        *bias_arguments(shape),
        *_vocabulary_arguments(plan, vocabulary_multiple),
        *window_arguments(shape, plan.training.sequence_length),
    ]
    if shape.mla is not None:
        arguments += _mla_arguments(shape.mla)
    if shape.moe is not None:
        arguments += _moe_arguments(plan, shape, shape.moe)
    return arguments


def padded_vocabulary(plan: Plan, multiple: int) -> int:
    """The vocabulary that Megatron builds (megatron/training/vocab_utils.py, `calculate_padded_vocab_size`)."""
    block = multiple * plan.parallelism.tensor
    return -(-plan.model.shape.vocab_size // block) * block


def dense_width(shape: ModelShape) -> int:
    """The dense MLP's width; a model with experts in every layer may have none, and Megatron wants one."""
    return shape.intermediate_size or (shape.moe.moe_intermediate_size if shape.moe is not None else 0)


def _shape(flag: str, value: int | str | bool) -> Argument:
    return Argument(flag, value, SHAPE)


def _head_arguments(shape: ModelShape) -> list[Argument]:
    if shape.mla is not None:
        return [_shape("kv-channels", shape.mla.v_head_dim), _shape("qk-layernorm", True)]
    arguments = [_shape("kv-channels", shape.head_dim)]
    if shape.num_key_value_heads != shape.num_attention_heads:
        arguments += [_shape("group-query-attention", True), _shape("num-query-groups", shape.num_key_value_heads)]
    if shape.qk_norm:
        arguments.append(_shape("qk-layernorm", True))
    if shape.attention_sinks:
        arguments.append(_shape("softmax-type", "learnable"))
    if shape.attention_gate:
        arguments.append(_shape("attention-output-gate", True))
    return arguments


def _activation_arguments(shape: ModelShape) -> list[Argument]:
    """SwiGLU, squared ReLU, or Megatron's default, GELU."""
    if shape.mlp == "gated":
        return [_shape("swiglu", True)]
    return [_shape("squared-relu", True)] if shape.hidden_act == "relu2" else []


def _vocabulary_arguments(plan: Plan, multiple: int) -> list[Argument]:
    """The padded size is said too: a tokenizer with fewer entries than the model would else shrink the model."""
    return [
        _shape("vocab-size", plan.model.shape.vocab_size),
        Argument("make-vocab-size-divisible-by", multiple, "constant: the target's option, or Megatron's default"),
        _shape("padded-vocab-size", padded_vocabulary(plan, multiple)),
    ]


def _mla_arguments(mla: MlaShape) -> list[Argument]:
    return [
        _shape("multi-latent-attention", True),
        *([] if mla.q_lora_rank is None else [_shape("q-lora-rank", mla.q_lora_rank)]),
        _shape("kv-lora-rank", mla.kv_lora_rank),
        _shape("qk-head-dim", mla.qk_nope_head_dim),
        _shape("qk-pos-emb-head-dim", mla.qk_rope_head_dim),
        _shape("v-head-dim", mla.v_head_dim),
    ]


def _moe_arguments(plan: Plan, shape: ModelShape, moe: MoeShape) -> list[Argument]:
    arguments = [
        _shape("num-experts", moe.num_experts),
        _shape("moe-router-topk", moe.num_experts_per_tok),
        _shape("moe-ffn-hidden-size", moe.moe_intermediate_size),
        *_moe_layer_arguments(shape),
    ]
    if moe.shared_intermediate_size:
        arguments.append(_shape("moe-shared-expert-intermediate-size", moe.shared_intermediate_size))
    if moe.shared_expert_gate:
        arguments.append(_shape("moe-shared-expert-gate", True))
    if moe.latent_size is not None:
        arguments.append(_shape("moe-latent-size", moe.latent_size))
    return [*arguments, *routing_arguments(moe), *_dispatch_arguments(plan, moe)]


def _dispatch_arguments(plan: Plan, moe: MoeShape) -> list[Argument]:
    """How tokens travel to their experts: no part of the plan, but Megatron's defaults are not what people run."""
    arguments = [Argument("moe-token-dispatcher-type", "alltoall", "constant: sends a token to its experts only")]
    if moe.num_experts >= _MANY_EXPERTS:
        arguments.append(Argument("moe-router-dtype", "fp32", "constant: Megatron's advice from 32 experts on"))
    if _compute_capability(plan) >= _GROUPED_GEMM_CAPABILITY:
        arguments.append(Argument("moe-grouped-gemm", True, "constant: one kernel for all experts of a GPU"))
    return arguments


def _moe_layer_arguments(shape: ModelShape) -> list[Argument]:
    layers = [has_experts(shape, layer) for layer in range(shape.num_hidden_layers)]
    if all(layers):
        return []
    return [_shape("moe-layer-freq", layer_pattern(layers))]


def _compute_capability(plan: Plan) -> int:
    major = plan.hardware.accelerator.compute_capability.partition(".")[0]
    return int(major) if major.isdigit() else 0
