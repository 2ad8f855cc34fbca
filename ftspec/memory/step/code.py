"""How a model's class in transformers writes its layers out, as data (`code.json`)."""

from functools import cache
from typing import Any, Literal

from ftspec.catalog.shape import ModelShape
from ftspec.core.record import record
from ftspec.core.resources import json_beside


@record
class LayerCode:
    """What differs between classes that compute the same thing. The defaults are Llama's.

    - `projections` of queries, keys and values: separate; one product that is `split` into views, or cut by `slices`
      (each has a gradient of the whole product's size), or chunked after the `heads` are laid out; `falcon` cuts it
      head by head.
    - `fused_gate_up`: one product for gate and up, halved.
    - `norm`: "" is that of the shape; an RMSNorm whose learned scale multiplies in fp32; a layer norm in fp32, or one
      that is written out; one whose scale is stored less one.
    - `norm_after`: a norm after each sublayer and none before it.
    - `rotary` "joined": the part of each head that turns is cut out and joined again; `rotary_pairs`: neighbours turn
      together, not halves; `rotary_fp32`: in fp32.
    - `dropout` before residual sums, `attention_dropout` on probabilities and `embedding_dropout`, as a default config
      has them.
    - written-out attention: `eager_softmax_fp32`, `fp32_scores` (queries and keys are cast first). `masked_kernel`: the
      fused kernel is given a mask, not told that it is causal. `causal_buffer`: a square of all positions is kept.
    - `norms_first`: side by side, both norms come before attention. `own_rotary_tables`: each layer keeps cosines and
      sines of its own, of so many bytes an element.
    - `remembered_casts`: autocast remembers the casts of weights, which it does not for `x @ weight.T`.
    - `packed`: bitsandbytes packs the projections, which are plain `nn.Linear` or `Conv1D`; `FalconLinear` is neither.
    - experts: `fp32_router` (its product is in fp32), `fp32_routing` (experts are weighed in fp32), `shared_first` (the
      shared experts run before the routed ones), `clamped_gate` (gate and up are clamped), `linear_router` (it is an
      `nn.Linear`), `parameter_targets` (PEFT puts adapters on router and routed experts, under the names that this
      class of transformers 4 gave their modules).
    - `score_cap`, `logit_cap`: tanh on scores and on logits; `scaled_logits`, `scaled_residual`, `scaled_query`,
      `scaled_embedding`: times a number.
    """

    projections: Literal["separate", "split", "slices", "heads", "falcon"] = "separate"
    fused_gate_up: bool = False
    norm: Literal["", "fp32_scale", "fp32_layer_norm", "written_out_layer_norm", "layer_norm_plus_one"] = ""
    norm_after: bool = False
    rotary: Literal["plain", "joined"] = "plain"
    rotary_pairs: bool = False
    rotary_fp32: bool = False
    dropout: bool = False
    attention_dropout: bool = False
    embedding_dropout: bool = False
    eager_softmax_fp32: bool = True
    fp32_scores: bool = False
    masked_kernel: bool = True
    causal_buffer: Literal["none", "model", "layer"] = "none"
    norms_first: bool = False
    own_rotary_tables: int = 0
    remembered_casts: bool = True
    packed: bool = True
    fp32_router: bool = False
    fp32_routing: bool = False
    shared_first: bool = False
    clamped_gate: bool = False
    linear_router: bool = False
    parameter_targets: Literal["", "qwen2_moe", "mixtral"] = ""
    score_cap: bool = False
    logit_cap: bool = False
    scaled_logits: bool = False
    scaled_residual: bool = False
    scaled_query: bool = False
    scaled_embedding: bool = False


@cache
def _codes() -> dict[str, LayerCode]:
    rows: dict[str, Any] = json_beside(__file__, "code.json")["model_types"]
    return {name: LayerCode(**row) for name, row in rows.items()}


@cache
def parameter_targets() -> dict[str, dict[str, str]]:
    """By `LayerCode.parameter_targets`: the names that PEFT takes for parameters, and which they stand for."""
    names: dict[str, dict[str, str]] = json_beside(__file__, "code.json")["parameter_targets"]["names"]
    return names


def class_of(shape: ModelShape) -> str:
    """The model type whose class runs a model: its own; GPT-2's or Llama's for a shape of no known class."""
    return shape.model_type or ("gpt2" if _looks_like_gpt2(shape) else "llama")


def _looks_like_gpt2(shape: ModelShape) -> bool:
    plain = shape.mlp == "plain" and shape.norm == "layernorm" and shape.attention_bias == "all"
    return plain and shape.position == "learned" and shape.extra_position_embeddings == 0


@cache
def code_of(shape: ModelShape) -> LayerCode:
    """The code that runs a model of this shape; a shape of no known class is run as Llama's, or as GPT-2's."""
    return _codes().get(class_of(shape), LayerCode())
