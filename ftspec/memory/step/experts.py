"""Routed experts as transformers runs them with grouped products (transformers/integrations/moe.py,
`grouped_mm_experts_forward`): every token is copied for each of its experts.
"""

from ftspec.catalog.shape import MoeShape
from ftspec.memory.step.adapted_parameters import adapted_router, factors, folded
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, INDEX, gradient
from ftspec.memory.step.tape import Step, Value


def _scores(builder: Builder, moe: MoeShape, value: Value) -> Value:
    """The router's product, in fp32 where the class casts for it (`DeepseekV3TopkRouter`)."""
    weight, narrow = adapted_router(builder), builder.compute
    if builder.code.fp32_router:
        builder.compute = FP32
    if weight is None:
        hidden = builder.setting.shape.hidden_size
        scores = builder.linear("router", value, hidden, moe.num_experts, moe.router_bias)
    else:
        bias = builder.weight(moe.num_experts) if moe.router_bias else None
        scores = builder.product(value, builder.rows, weight, moe.num_experts, bias)
    builder.compute = narrow
    return scores


def _router(builder: Builder, moe: MoeShape, value: Value) -> Value:
    """Scores of all experts, softmax in fp32, the best few; the weights stay in fp32 or are cast to the stream's type
    (models/mixtral/modeling_mixtral.py, `MixtralTopKRouter`; models/qwen3_moe, `Qwen3MoeTopKRouter`).
    """
    probabilities = builder.softmax(builder.cast(_scores(builder, moe, value), FP32))
    chosen = builder.rows * moe.num_experts_per_tok
    kept = (Value(chosen, INDEX), Value(chosen, FP32))
    steps = (Step("allocate", probabilities.size), gradient(0))
    weights = builder.record((probabilities,), Value(chosen, FP32), kept, *steps)
    return weights if builder.code.fp32_routing else builder.cast(weights, value.width)


def experts(builder: Builder, moe: MoeShape, value: Value) -> Value:
    """Copy, sort by expert, up, down, weigh, sort back, sum. Tokens are taken to be spread evenly over expert ranks."""
    setting, count = builder.setting, moe.num_experts_per_tok
    hidden, width = moe.latent_size or setting.shape.hidden_size, -(-moe.moe_intermediate_size // setting.expert_tensor)
    local = -(-moe.num_experts // setting.expert)
    weights = _router(builder, moe, value)
    down, up = factors(builder, "down_proj", local), factors(builder, "gate_up_proj", local)
    rows = builder.rows * count
    copies = builder.rearrange(value, rows * hidden, rows * 2)
    gated = setting.shape.mlp == "gated"
    matrices = folded(builder, up, local * hidden * width * (1 + gated))
    inner = builder.product(copies, rows, matrices, width * (1 + gated))
    if gated:
        gate, up = builder.split(inner, (rows * width, rows * width))
        inner = builder.multiply(builder.pointwise(gate), up)
    else:
        inner = builder.pointwise(inner)
    output = builder.product(inner, rows, folded(builder, down, local * hidden * width), hidden)
    weighted = builder.rearrange(builder.broadcast_multiply(output, weights), rows * hidden, rows)
    total = builder.record((weighted,), Value(builder.rows * hidden, weighted.width), (), gradient(0))
    builder.hold(value)
    return builder.cast(total, value.width)
