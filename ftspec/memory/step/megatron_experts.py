"""Routed experts as Megatron-Core runs them: a router, a dispatcher, grouped products (megatron/core/transformer/moe/).

The tokens of all ranks are taken to be spread evenly over the experts.
"""

from ftspec.catalog.shape_parts import MoeShape
from ftspec.memory.step.form import Form
from ftspec.memory.step.megatron_products import activated, column_linear, fused_norm, plain_linear, row_linear
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, INDEX, gradient
from ftspec.memory.step.tape import Step, Value

FP32_ROUTER_EXPERTS = 32
"""From so many experts on the backend asks for scores in fp32 (`--moe-router-dtype fp32`, Megatron's advice)."""


def experts(builder: Builder, value: Value) -> Value:
    """`MoELayer.forward`: the norm is a module of its own, whose output router, experts and shared experts read."""
    shape, moe = builder.setting.shape, builder.setting.shape.moe
    assert moe is not None
    with builder.part("layernorm"):
        normal = fused_norm(builder, value, builder.norm_rows * shape.hidden_size, builder.norm_rows)
    with builder.part("moe"):
        output = _routed(builder, moe, normal)
        if not moe.shared_intermediate_size:
            return output
        with builder.part("shared_experts"):
            shared = _shared(builder, moe, normal)
        return builder.add(output, shared)


def _shared(builder: Builder, moe: MoeShape, normal: Value) -> Value:
    """`SharedExpertMLP`: an MLP over the tensor group."""
    width = -(-moe.shared_intermediate_size // builder.setting.tensor)
    parts = 1 if builder.setting.shape.mlp == "plain" else 2
    inner = column_linear(builder, normal, builder.setting.shape.hidden_size, parts * width)
    return row_linear(builder, activated(builder, inner, builder.rows, width), builder.setting.shape.hidden_size)


def _router(builder: Builder, moe: MoeShape, normal: Value) -> Value:
    """`TopKRouter`: scores of all experts, the best few, and the map of who goes where; kept for each token and expert
    are the map, its order as indices, and the scores; for each chosen expert two indices and two weights
    (moe_utils.py, `topk_routing_with_score_function` and `permute`).
    """
    rows, width = builder.norm_rows, FP32 if moe.num_experts >= FP32_ROUTER_EXPERTS else builder.compute
    scores = builder.record((normal,), Value(rows * moe.num_experts, width), (normal,), gradient(0))
    dense = Value(rows * moe.num_experts, width), Value(rows * moe.num_experts, 1), Value(rows * moe.num_experts, INDEX)
    chosen = rows * moe.num_experts_per_tok
    kept: tuple[Value, ...] = (*dense, Value(chosen * 2, INDEX), Value(chosen * 2, width))
    if moe.scoring_func != "softmax":
        kept = (*kept, Value(rows * moe.num_experts, width), Value(rows * moe.num_experts, 1))
    return builder.record((scores,), Value(chosen, width), kept, gradient(0))


def _places(builder: Builder, moe: MoeShape, features: int) -> Form:
    """`features` for each token that an expert of this rank gets: its own tokens' copies, gathered over the expert's
    tensor group; with a capacity each expert takes so many places whether they are filled or not (padding), or at
    most so many (`get_capacity`).
    """
    setting = builder.setting
    share = setting.capacity if setting.pads_to_capacity else min(1.0, setting.capacity or 1.0)
    return builder.norm_rows * round(features * moe.num_experts_per_tok * setting.expert_tensor * (share or 1.0))


def _routed(builder: Builder, moe: MoeShape, normal: Value) -> Value:
    """Copied for their experts, exchanged and sorted (each step a new tensor of which only the last is kept), through
    `TEGroupedMLP`, sorted and exchanged back, and summed.
    """
    setting, compute = builder.setting, builder.compute
    hidden, width = moe.latent_size or setting.shape.hidden_size, -(-moe.moe_intermediate_size // setting.expert_tensor)
    weights = _router(builder, moe, normal)
    held, parts = _places(builder, moe, hidden), 1 if setting.shape.mlp == "plain" else 2
    steps = (Step("allocate", builder.norm_rows * (hidden * compute)), gradient(0))
    moved = builder.record((normal,), Value(held, compute), (), *steps)
    for _ in range(_exchanges(builder, moe)):
        moved = builder.scale(moved)
    inner = plain_linear(builder, moved, _places(builder, moe, parts * width))
    active = Value(_places(builder, moe, width), compute)
    with builder.part("moe_act"):
        builder.record((inner, weights), active, (inner,), gradient(0), gradient(1))
    output = plain_linear(builder, active, held)
    for _ in range(_exchanges(builder, moe)):
        output = builder.scale(output)
    return builder.record((output,), Value(builder.norm_rows * hidden, compute), (), gradient(0))


def _exchanges(builder: Builder, moe: MoeShape) -> int:
    """How often the tokens are laid out anew on their way: between ranks, and by expert where a rank has several."""
    return (builder.setting.expert > 1) + (moe.num_experts > builder.setting.expert)
