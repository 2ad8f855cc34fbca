"""Parts of a shape that only some architectures have."""

from typing import Literal

from ftspec.core.record import record


@record
class MoeShape:
    """The experts.

    A layer has experts from layer `first_k_dense_replace` on, in every `moe_layer_step`-th layer (the last of
    each group: with 2, layers 1, 3, 5, …) and not in `dense_layers`; the others have a dense MLP.
    `shared_intermediate_size` is the total width of the shared experts. `latent_size` is the width that routed
    experts work in where it is not the hidden size (two projections around them). `beside_dense`: a layer with
    experts has the dense MLP too. `router_scale`: the router also scales its input and each expert's weight.

    How a token's experts are chosen and weighted changes no count. `scoring_func` makes scores of the router's
    logits; `score_correction_bias` is added to them for the choice alone; with `topk_group` below `n_group`, experts
    come from the groups whose two best experts score highest. The chosen scores are the weights: made to sum to 1
    with `norm_topk_prob`, then times `routed_scaling_factor`. `other_routing` says in words what none of this says.
    """

    num_experts: int
    num_experts_per_tok: int
    moe_intermediate_size: int
    num_shared_experts: int = 0
    shared_intermediate_size: int = 0
    first_k_dense_replace: int = 0
    router_bias: bool = False
    moe_layer_step: int = 1
    dense_layers: tuple[int, ...] = ()
    expert_bias: bool = False
    shared_expert_gate: bool = False
    latent_size: int | None = None
    beside_dense: bool = False
    router_scale: bool = False
    scoring_func: Literal["softmax", "sigmoid", "sqrtsoftplus"] = "softmax"
    score_correction_bias: bool = False
    norm_topk_prob: bool = True
    n_group: int = 1
    topk_group: int = 1
    routed_scaling_factor: float = 1.0
    other_routing: str = ""


@record
class MlaShape:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434). `q_lora_rank` None: queries are not compressed."""

    q_lora_rank: int | None
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int


@record
class AttentionVariant:
    """Heads that layers of one kind (`layer_type`) have instead of the shape's own. `value_is_key`: no value matrix."""

    layer_type: str
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    v_head_dim: int
    sinks: bool = False
    value_is_key: bool = False


@record
class LinearAttentionShape:
    """Gated delta-rule attention (Qwen3-Next), in layers of kind linear_attention."""

    num_key_heads: int
    key_head_dim: int
    num_value_heads: int
    value_head_dim: int
    conv_kernel: int


@record
class MambaShape:
    """Mamba-2 (arXiv 2405.21060), in layers of kind mamba. `bias` is that of the two projections."""

    num_heads: int
    head_dim: int
    state_size: int
    num_groups: int
    conv_kernel: int
    conv_bias: bool = True
    bias: bool = False


@record
class IndexerShape:
    """The indexer of DeepSeek's sparse attention: in the first `offset` layers, then in each `frequency`-th."""

    num_heads: int
    head_dim: int
    frequency: int = 1
    offset: int = 2


@record
class CompressedAttentionShape:
    """DeepSeek-V4's attention: one shared key-and-value head, compressed beyond a window of recent tokens.

    The rates say how many tokens one compressed entry holds in layers of the two kinds.
    """

    q_lora_rank: int
    output_groups: int
    output_lora_rank: int
    index_num_heads: int
    index_head_dim: int
    sparse_rate: int
    heavy_rate: int


@record
class HyperConnectionShape:
    """Hyper-connections: the residual stream is `streams` streams, mixed before and after each block."""

    streams: int


@record
class PerLayerInputShape:
    """A second token embedding (Gemma 3n and 4) that gives each layer an input of `width`."""

    vocab_size: int
    width: int


@record
class RopeScaling:
    """How rotary frequencies are stretched, under the names of config.json's rope_parameters.

    `rope_type` is linear, dynamic, llama3, yarn, longrope or another that transformers knows. What a type does not
    use is None. `original_max_position_embeddings` None: the shape's own. The lists of longrope are not kept.
    """

    rope_type: str
    factor: float | None = None
    original_max_position_embeddings: int | None = None
    low_freq_factor: float | None = None
    high_freq_factor: float | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    attention_factor: float | None = None
    truncate: bool = True
