"""The projections that adapters may sit beside, as PEFT finds them in a model's class."""

from functools import cache

from ftspec.catalog.shape import MlaShape, ModelShape
from ftspec.memory.step.code import code_of

ATTENTION_TARGETS = frozenset(
    {"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj"}
)
LINEAR_TARGETS = ATTENTION_TARGETS | {"gate_proj", "up_proj", "down_proj", "gate_up_proj"}
"""What PEFT's `target_modules="all-linear"` finds in a decoder layer (peft/tuners/tuners_utils.py); routers and routed
experts, which transformers holds as plain parameters, are left out."""

Projections = dict[str, tuple[int, int]]


@cache
def projections(shape: ModelShape, experts: bool) -> Projections:
    """Inputs and outputs of each projection of a layer; of one with `experts`, those of the shared experts."""
    return _attention(shape) | _mlp(shape, experts)


def _attention(shape: ModelShape) -> Projections:
    if shape.mla is not None:
        return _latent(shape, shape.mla)
    hidden, query = shape.hidden_size, shape.num_attention_heads * shape.head_dim
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
