"""The shape of a model, under the names of Hugging Face's config.json where that has one.

`ModelShape` is what a plain decoder needs; what only some architectures have is a part of its own
(`ftspec.catalog.shape_parts`), None where a model has none of it.
"""

from typing import Literal

from ftspec.catalog.shape_parts import (
    AttentionVariant,
    CompressedAttentionShape,
    HyperConnectionShape,
    IndexerShape,
    LinearAttentionShape,
    MambaShape,
    MlaShape,
    MoeShape,
    PerLayerInputShape,
    RopeScaling,
)
from ftspec.core.record import record

__all__ = ["MlaShape", "ModelShape", "MoeShape"]

NormKind = Literal["rmsnorm", "layernorm", "layernorm_nobias", "none"]
"""How many learned vectors a norm has: one, two, one, none."""


@record
class ModelShape:
    """A decoder-only language model. Widths in elements; `intermediate_size` is that of the dense MLP (0: none).

    - `norm` "none" is a layer norm without learned parameters. `norms_per_layer` counts the norms over the
      residual stream in one layer: 2; 4 with norms before and after; 1 where attention and MLP run side by side
      behind one (`parallel_residual` says whether they run side by side at all).
    - `qk_norm_width` is what one query or key norm spans: a head, or all heads at once. `v_head_dim` None means
      that values are as wide as keys.
    - `layers_without_positions`: some layers have no rotary positions (NoPE). `multipliers`: fixed factors on the
      embedding, the residual branches, the attention scores or the logits (Granite, MiniCPM).
    - `attention_gate`: the query projection also makes a gate for the output. `attention_sinks`: one learned
      logit a head.
    - `layer_types` names each layer's kind: full_attention, sliding_attention, linear_attention, mamba,
      compressed_sparse_attention, heavily_compressed_attention, mlp or moe. Empty: full_attention in all.
    - `single_purpose_layers`: a layer is an attention, a Mamba, an MLP or a MoE block, not two of them.
    - `extra_position_embeddings`: rows of the learned position table beyond `max_position_embeddings`.
      `word_embed_proj_dim`: width of the token embedding where it is projected to the hidden size.
    - What changes no count: `norm_epsilon` and `rope_theta` None are not known (or differ between layers). Where
      `rope_theta` is known, so are `rope_scaling` (None: none) and `partial_rotary_factor`, the share of a head
      that turns. `model_type` names the transformers class that runs the model ("": not known): what a step keeps
      depends on how its code is written.
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
    layers_without_positions: bool = False
    multipliers: bool = False
    v_head_dim: int | None = None
    hidden_act: str = "silu"
    layer_types: tuple[str, ...] = ()
    single_purpose_layers: bool = False
    attention_variant: AttentionVariant | None = None
    linear_attention: LinearAttentionShape | None = None
    mamba: MambaShape | None = None
    indexer: IndexerShape | None = None
    compressed_attention: CompressedAttentionShape | None = None
    hyper_connections: HyperConnectionShape | None = None
    per_layer_input: PerLayerInputShape | None = None
    norm_epsilon: float | None = None
    rope_theta: float | None = None
    partial_rotary_factor: float = 1.0
    rope_scaling: RopeScaling | None = None
    model_type: str = ""
