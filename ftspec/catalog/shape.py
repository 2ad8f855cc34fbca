"""The shape of a model, under the names of Hugging Face's config.json."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MoeShape:
    """The experts. Layers before `first_k_dense_replace` have a dense MLP."""

    num_experts: int
    num_experts_per_tok: int
    moe_intermediate_size: int
    num_shared_experts: int = 0
    shared_intermediate_size: int = 0
    first_k_dense_replace: int = 0
    router_bias: bool = False


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
    """A decoder-only transformer. Widths in elements; `intermediate_size` is that of the dense MLP."""

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
    norm: Literal["rmsnorm", "layernorm", "layernorm_nobias", "none"] = "rmsnorm"
    position: Literal["rope", "learned", "alibi", "none"] = "rope"
    attention_bias: Literal["none", "all", "qkv_only", "out_only"] = "none"
    mlp_bias: bool = False
    qk_norm: bool = False
    sliding_window: int | None = None
    moe: MoeShape | None = None
    mla: MlaShape | None = None
