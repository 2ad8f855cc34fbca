"""The projections and parameters that adapters may sit beside, as PEFT finds them in a model's class."""

from functools import cache
from typing import NamedTuple

from ftspec.catalog.shape import MlaShape, ModelShape
from ftspec.memory.step.code import code_of, parameter_targets

ATTENTION_TARGETS = frozenset(
    {"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj"}
)
LINEAR_TARGETS = (
    ATTENTION_TARGETS
    | {"gate_proj", "up_proj", "down_proj", "gate_up_proj", "router", "shared_expert_gate"}
    | {name for names in parameter_targets().values() for name in names}
)
"""What PEFT's `target_modules="all-linear"` finds in a decoder layer (peft/tuners/tuners_utils.py), and the names under
which it finds parameters (`wrapped`)."""

Projections = dict[str, tuple[int, int]]


@cache
def projections(shape: ModelShape, experts: bool) -> Projections:
    """Inputs and outputs of each projection of a layer that PEFT takes for a module by itself; of one with `experts`,
    those of the shared experts. Where the names of a MLP's projections stand for routed experts, no other MLP has any.
    """
    found = _attention(shape)
    moe, code = shape.moe, code_of(shape)
    if not code.parameter_targets:
        found |= _mlp(shape, experts)
    if experts and moe is not None:
        found |= {"router": (shape.hidden_size, moe.num_experts)} if code.linear_router else {}
        found |= {"shared_expert_gate": (shape.hidden_size, 1)} if moe.shared_expert_gate else {}
    return found


@cache
def beside(shape: ModelShape, targets: frozenset[str]) -> frozenset[str]:
    """The projections that have adapters."""
    return targets & (projections(shape, False).keys() | projections(shape, True).keys())


class Wrapped(NamedTuple):
    """A parameter of `experts` matrices with adapters of `times` the rank each: two where two projections are fused."""

    inputs: int
    outputs: int
    experts: int
    times: int


@cache
def wrapped(shape: ModelShape, targets: frozenset[str]) -> dict[str, Wrapped]:
    """The parameters of a layer with experts that have adapters: router and routed experts, which transformers 5 no
    longer holds as modules, under the names that these had
    (peft/utils/transformers_weight_conversion.py, `_convert_peft_config_moe`).
    """
    moe, names = shape.moe, parameter_targets().get(code_of(shape).parameter_targets, {})
    if moe is None:
        return {}
    hidden, width, gated = moe.latent_size or shape.hidden_size, moe.moe_intermediate_size, shape.mlp == "gated"
    every = {
        "router": Wrapped(shape.hidden_size, moe.num_experts, 1, 1),
        "gate_up_proj": Wrapped(hidden, width * (1 + gated), moe.num_experts, 1 + gated),
        "down_proj": Wrapped(width, hidden, moe.num_experts, 1),
    }
    asked = {names[target] for target in targets if target in names}
    return {name: parameter for name, parameter in every.items() if name in asked}


def _attention(shape: ModelShape) -> Projections:
    if shape.mla is not None:
        return _latent(shape, shape.mla)
    hidden, query = shape.hidden_size, shape.num_attention_heads * shape.head_dim * (2 if shape.attention_gate else 1)
    key, value_width = shape.num_key_value_heads * shape.head_dim, shape.v_head_dim or shape.head_dim
    value, output = shape.num_key_value_heads * value_width, (shape.num_attention_heads * value_width, hidden)
    if code_of(shape).projections != "separate":
        return {"qkv_proj": (hidden, query + key + value), "o_proj": output}
    return {"q_proj": (hidden, query), "k_proj": (hidden, key), "v_proj": (hidden, value), "o_proj": output}


def _latent(shape: ModelShape, mla: MlaShape) -> Projections:
    hidden, heads = shape.hidden_size, shape.num_attention_heads
    query = heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim)
    found = {"q_proj": (hidden, query)}
    if mla.q_lora_rank is not None:
        found = {"q_a_proj": (hidden, mla.q_lora_rank), "q_b_proj": (mla.q_lora_rank, query)}
    return {
        **found,
        "kv_a_proj_with_mqa": (hidden, mla.kv_lora_rank + mla.qk_rope_head_dim),
        "kv_b_proj": (mla.kv_lora_rank, heads * (mla.qk_nope_head_dim + mla.v_head_dim)),
        "o_proj": (heads * mla.v_head_dim, hidden),
    }


def _mlp(shape: ModelShape, experts: bool) -> Projections:
    hidden, width = shape.hidden_size, shape.intermediate_size
    if experts and shape.moe is not None:
        width = shape.moe.shared_intermediate_size
    if not width:
        return {}
    if shape.mlp == "plain":
        return {"up_proj": (hidden, width), "down_proj": (width, hidden)}
    if code_of(shape).fused_gate_up:
        return {"gate_up_proj": (hidden, 2 * width), "down_proj": (width, hidden)}
    return {"gate_proj": (hidden, width), "up_proj": (hidden, width), "down_proj": (width, hidden)}
