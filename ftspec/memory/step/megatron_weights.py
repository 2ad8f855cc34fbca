"""The weight matrices of a Megatron layer on one rank, as its modules hold them: joined queries, keys and values,
joined gate and up, one matrix for each expert (megatron/core/models/gpt/gpt_layer_specs.py).
"""

from functools import cache

from ftspec.memory.step.setting import Setting, Variant


@cache
def fused_weight_shapes(setting: Setting, variant: Variant) -> frozenset[tuple[int, int]]:
    """Rows and columns of the matrices whose gradients are added to the main gradients inside a product's kernel. The
    router and projections that every rank holds whole are among them where Transformer Engine makes them.
    """
    shape, moe = setting.shape, setting.shape.moe
    found = _latent(setting) if shape.mla is not None else _attention(setting)
    if not variant.experts or moe is None:
        return found | _mlp(setting, shape.intermediate_size, setting.tensor)
    found |= _mlp(setting, moe.moe_intermediate_size, setting.expert_tensor, moe.latent_size)
    if moe.shared_intermediate_size:
        found |= _mlp(setting, moe.shared_intermediate_size, setting.tensor)
    return found


def _attention(setting: Setting) -> frozenset[tuple[int, int]]:
    shape, tensor = setting.shape, setting.tensor
    values = shape.v_head_dim or shape.head_dim
    query = -(-shape.num_attention_heads // tensor)
    key = max(1, shape.num_key_value_heads // tensor)
    gates = 2 if shape.attention_gate else 1
    joined = query * gates * shape.head_dim + key * (shape.head_dim + values)
    return frozenset({(joined, shape.hidden_size), (shape.hidden_size, query * values)})


def _latent(setting: Setting) -> frozenset[tuple[int, int]]:
    shape, mla = setting.shape, setting.shape.mla
    assert mla is not None
    hidden, heads = shape.hidden_size, -(-shape.num_attention_heads // setting.tensor)
    query = heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim)
    found = {
        (mla.kv_lora_rank + mla.qk_rope_head_dim, hidden),
        (heads * (mla.qk_nope_head_dim + mla.v_head_dim), mla.kv_lora_rank),
        (hidden, heads * mla.v_head_dim),
    }
    if mla.q_lora_rank is None:
        return frozenset(found | {(query, hidden)})
    return frozenset(found | {(mla.q_lora_rank, hidden), (query, mla.q_lora_rank)})


def _mlp(setting: Setting, width: int, tensor: int, latent: int | None = None) -> frozenset[tuple[int, int]]:
    hidden, own = latent or setting.shape.hidden_size, -(-width // tensor)
    return frozenset({(own * (2 if setting.shape.mlp == "gated" else 1), hidden), (hidden, own)})
