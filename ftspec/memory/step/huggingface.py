"""Decoder layers and ends as transformers runs them (models/llama/modeling_llama.py and its like)."""

from ftspec.memory.step.activations import activation, dropped
from ftspec.memory.step.attention import EagerSettings, Heads, capped, eager, flash, math_sdpa, repeat_heads, sdpa
from ftspec.memory.step.experts import experts
from ftspec.memory.step.form import Form
from ftspec.memory.step.latent import latent_heads, latent_projections
from ftspec.memory.step.losses import chunked_loss, fused_loss, standard_loss
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import FP32
from ftspec.memory.step.projections import projections
from ftspec.memory.step.rotary import rotate
from ftspec.memory.step.setting import Setting, Variant
from ftspec.memory.step.tape import Value


def _heads(setting: Setting) -> Heads:
    shape = setting.shape
    query = -(-shape.num_attention_heads // setting.tensor)
    return Heads(
        query, max(1, shape.num_key_value_heads // setting.tensor), shape.head_dim, shape.v_head_dim or shape.head_dim
    )


def attention(builder: Builder, value: Value) -> Value:
    """`LlamaAttention.forward`, with biases and query and key norms where the model has them."""
    shape, heads, hidden = builder.setting.shape, _heads(builder.setting), builder.setting.shape.hidden_size
    if shape.mla is not None:
        heads = latent_heads(builder.setting)
        query, key, values = latent_projections(builder, value, heads)
    else:
        query, key, values = projections(builder, value, heads)
    if shape.position == "rope" and shape.mla is None:
        query, key = rotate(builder, query, key)
    mixed = mix(builder, query, key, values, heads)
    output = builder.linear(
        "o_proj", mixed, heads.query * heads.value_width, hidden, shape.attention_bias in ("all", "out_only")
    )
    builder.hold(value)
    return output


def mix(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """Core attention with the plan's kernel."""
    setting, rows = builder.setting, builder.rows
    if setting.attention == "flash":
        return flash(builder, query, key, value, rows, heads)
    if builder.code.projections != "falcon":
        times, single = heads.query // heads.key, heads.key == 1
        key, value = repeat_heads(builder, key, times, single), repeat_heads(builder, value, times, single)
    drops = builder.code.attention_dropout
    if setting.attention == "sdpa":
        shared = key.elements.token < query.elements.token
        if drops or shared or heads.value_width != heads.key_width:
            return math_sdpa(builder, query, key, value, rows, heads, drops)
        mixed = sdpa(builder, query, key, value, rows, heads, Form(pair=1) if builder.code.masked_kernel else None)
        return builder.contiguous(mixed) if builder.code.rotary == "joined" else mixed
    probability_width = (value if builder.code.fp32_scores else query).width
    if builder.code.fp32_scores:
        query, key = builder.cast(query, FP32), builder.cast(key, FP32)
    how = EagerSettings(
        setting.residual,
        score_width=FP32 if builder.code.fp32_scores and not setting.autocast else builder.compute,
        probability_width=probability_width,
        softmax_in_fp32=builder.code.eager_softmax_fp32,
        dropout=drops,
        cap=builder.code.score_cap,
        sinks=setting.shape.attention_sinks,
    )
    return eager(builder, query, key, value, rows, heads, how)


def mlp(builder: Builder, value: Value, width: int) -> Value:
    """`LlamaMLP.forward`, or the plain MLP of older models."""
    shape = builder.setting.shape
    hidden, bias, width = shape.hidden_size, shape.mlp_bias, -(-width // builder.setting.tensor)
    if shape.mlp == "plain":
        inner = activation(builder, shape, builder.linear("up_proj", value, hidden, width, bias))
    elif builder.code.fused_gate_up:
        joined = builder.linear("gate_up_proj", value, hidden, 2 * width, bias)
        gate, up = builder.split(joined, (builder.rows * width, builder.rows * width))
        inner = builder.multiply(up, builder.pointwise(gate))
    else:
        gate = builder.pointwise(builder.linear("gate_proj", value, hidden, width, bias))
        inner = builder.multiply(gate, builder.linear("up_proj", value, hidden, width, bias))
    output = builder.linear("down_proj", inner, width, hidden, bias)
    builder.hold(value)
    return output


def feed_forward(builder: Builder, value: Value, has_experts: bool) -> Value:
    """The layer's MLP, or its routed and shared experts."""
    shape = builder.setting.shape
    if not has_experts or shape.moe is None:
        return mlp(builder, value, shape.intermediate_size)
    width = shape.moe.shared_intermediate_size
    if not width:
        return experts(builder, shape.moe, value)
    if builder.code.shared_first:
        shared = mlp(builder, value, width)
        routed = experts(builder, shape.moe, value)
        if shape.moe.shared_expert_gate:
            gate = builder.softmax(builder.linear("shared_expert_gate", value, shape.hidden_size, 1))
            shared = builder.broadcast_multiply(shared, gate)
        return builder.add(routed, shared)
    routed = experts(builder, shape.moe, value)
    return builder.add(routed, mlp(builder, value, width))


def _sublayer(builder: Builder, value: Value, argument: Value) -> Value:
    """What a sublayer gives to the residual sum: normed, dropped out or scaled where the model does so. The layer's
    own code names the sublayer's `argument`, a part of the sequence, until it has returned.
    """
    shape, code, value = builder.setting.shape, builder.code, builder.scatter(value)
    builder.hold(argument)
    if shape.norms_per_layer == 4 or code.norm_after:
        value = builder.norm(value, shape.hidden_size)
    value = builder.scale(value) if code.scaled_residual else value
    return dropped(builder, shape, value)


def _normed(builder: Builder, value: Value) -> Value:
    return value if builder.code.norm_after else builder.norm(value, builder.setting.shape.hidden_size)


def _attended(builder: Builder, value: Value) -> Value:
    return _sublayer(builder, attention(builder, builder.gather(value)), value)


def _fed_forward(builder: Builder, value: Value, has_experts: bool) -> Value:
    return _sublayer(builder, feed_forward(builder, builder.gather(value), has_experts), value)


def layer(setting: Setting, variant: Variant) -> tuple[Builder, Value, Value]:
    """A decoder layer: its tape, its input and its output."""
    builder, hidden = Builder(setting, variant.trained), setting.shape.hidden_size
    first = Value(builder.norm_rows * hidden, setting.residual, needs_gradient=variant.input_gradient)
    normal = _normed(builder, first)
    other = _normed(builder, first) if builder.code.norms_first and setting.shape.norms_per_layer > 1 else None
    mixed = _attended(builder, normal)
    if setting.shape.parallel_residual:
        if setting.shape.norms_per_layer > 1:
            normal = _normed(builder, first) if other is None else other
        inner = _fed_forward(builder, normal, variant.experts)
        return builder, first, builder.add(builder.add(mixed, inner), first)
    value = builder.add(first, mixed)
    return builder, first, builder.add(value, _fed_forward(builder, _normed(builder, value), variant.experts))


def _finished(builder: Builder, logits: Value) -> Value:
    """Logits scaled, or capped by tanh, where the model does so (`Gemma2ForCausalLM.forward`)."""
    if builder.code.logit_cap:
        return capped(builder, logits)
    return builder.scale(logits) if builder.code.scaled_logits else logits


def head(setting: Setting, vocabulary: int, variant: Variant) -> tuple[Builder, Value, Value]:
    """Final norm, output head and loss."""
    builder, hidden = Builder(setting, variant.trained), setting.shape.hidden_size
    first = Value(builder.norm_rows * hidden, setting.residual, needs_gradient=variant.input_gradient)
    value = builder.gather(builder.norm(first, hidden) if setting.shape.final_norm else first)
    if setting.loss == "fused":
        return builder, first, fused_loss(builder, value, vocabulary)
    logits = _finished(builder, builder.linear("lm_head", value, hidden, vocabulary, setting.shape.head_bias))
    if setting.loss == "chunked":
        return builder, first, chunked_loss(builder, logits)
    return builder, first, standard_loss(builder, logits)
