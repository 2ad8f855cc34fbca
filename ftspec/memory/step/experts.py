"""Routed experts as transformers runs them with grouped products (transformers/integrations/moe.py,
`grouped_mm_experts_forward`): every token is copied for each of its experts.
"""

from ftspec.catalog.shape import MoeShape
from ftspec.memory.step.adapted_parameters import adapted_router, factors, folded
from ftspec.memory.step.form import Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32, INDEX, gradient, passed
from ftspec.memory.step.projections import cut
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


def _gated(builder: Builder, joined: Value, half: Form) -> Value:
    """Gate and up, halved; or every second column, both clamped (`GptOssExperts._apply_gate`)."""
    if not builder.code.clamped_gate:
        gate, up = builder.split(joined, (half, half))
        return builder.multiply(builder.pointwise(gate), up)
    gate, up = cut(builder, joined, half), cut(builder, joined, half)
    gate, up = builder.pointwise(gate), builder.pointwise(up)
    glued = builder.multiply(gate, builder.softmax(builder.scale(gate)))
    output = builder.multiply(builder.contiguous(up), glued)
    builder.hold(gate)
    builder.hold(up)
    return output


def _picked(builder: Builder, moe: MoeShape, rows: Form, outputs: int) -> Value | None:
    """Each row's bias, by its expert."""
    if not moe.expert_bias:
        return None
    every = builder.weight(-(-moe.num_experts // builder.setting.expert) * outputs)
    return builder.record((every,), Value(rows * outputs, every.width), (), gradient(0))


def _biased(builder: Builder, product: Value, bias: Value | None) -> Value:
    """`add_`: in place."""
    if bias is None:
        return product
    total = Value(product.elements, product.width, view_of=product)
    return builder.record((product, bias), total, (), passed(0), passed(1))


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
    bias = _picked(builder, moe, rows, width * (1 + gated))
    inner = _biased(builder, inner, bias)
    inner = _gated(builder, inner, rows * width) if gated else builder.pointwise(inner)
    if bias is not None:
        builder.hold(bias)
    output = builder.product(inner, rows, folded(builder, down, local * hidden * width), hidden)
    output = _biased(builder, output, _picked(builder, moe, rows, hidden))
    weighted = builder.rearrange(builder.broadcast_multiply(output, weights), rows * hidden, rows)
    total = builder.record((weighted,), Value(builder.rows * hidden, weighted.width), (), gradient(0))
    builder.hold(copies)
    builder.hold(value)
    return builder.cast(total, value.width)
