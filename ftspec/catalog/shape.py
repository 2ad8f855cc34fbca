"""The shape of a model, under the names of Hugging Face's config.json where that has one."""

from dataclasses import dataclass
from typing import Literal

NormKind = Literal["rmsnorm", "layernorm", "layernorm_nobias", "none"]
"""How many learned vectors a norm has: one, two, one, none."""


@dataclass(frozen=True, slots=True)
class MoeShape:
    """The experts.

    A layer has experts from layer `first_k_dense_replace` on, in every `moe_layer_step`-th layer (the last of
    each group: with 2, layers 1, 3, 5, …); the others have a dense MLP. `shared_intermediate_size` is the
    total width of the shared experts. `latent_size` is the width that routed experts work in where it is not
    the hidden size (two projections around them).
    """

    num_experts: int
    num_experts_per_tok: int
    moe_intermediate_size: int
    num_shared_experts: int = 0
    shared_intermediate_size: int = 0
    first_k_dense_replace: int = 0
    router_bias: bool = False
    moe_layer_step: int = 1
    expert_bias: bool = False
    shared_expert_gate: bool = False
    latent_size: int | None = None


@dataclass(frozen=True, slots=True)
class MlaShape:
    """Multi-head latent attention. `q_lora_rank` None: queries are not compressed."""

    q_lora_rank: int | None
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A decoder-only language model. Widths in elements; `intermediate_size` is that of the dense MLP (0: none).

    `norm` "none" is a layer norm without learned parameters. `norms_per_layer` counts the norms over the
    residual stream in one layer (2; 4 with norms before and after; 1 where attention and MLP run side by side
    behind one). `qk_norm_width` is what one query or key norm spans: a head, or all heads at once.
    """

    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    tie_word_embeddings: bool
    max_position_embeddings: int
    mlp: Literal["gated", "plain"] = "gated"
    norm: NormKind = "rmsnorm"
    position: Literal["rope", "learned", "alibi", "none"] = "rope"
    attention_bias: Literal["none", "all", "qkv_only", "out_only"] = "none"
    mlp_bias: bool = False
    qk_norm: bool = False
    sliding_window: int | None = None
    moe: MoeShape | None = None
    mla: MlaShape | None = None
    norms_per_layer: int = 2
    qk_norm_width: Literal["head", "all_heads"] = "head"
    final_norm: bool = True
    embedding_norm: bool = False
    head_bias: bool = False
    parallel_residual: bool = False
    extra_position_embeddings: int = 0
    word_embed_proj_dim: int | None = None
    attention_sinks: bool = False
    attention_gate: bool = False
    layer_types: tuple[str, ...] = ()
