"""Decoder layers and ends as transformers runs them (models/llama/modeling_llama.py and its like)."""

from ftspec.memory.step.activations import activation, dropped, is_gpt2
from ftspec.memory.step.attention import EagerSettings, Heads, eager, flash, math_sdpa, repeat_heads, rotate, sdpa
from ftspec.memory.step.experts import experts
from ftspec.memory.step.form import Form
from ftspec.memory.step.latent import latent_heads, latent_projections
from ftspec.memory.step.losses import chunked_loss, fused_loss, standard_loss
from ftspec.memory.step.modules import Builder
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
        query, key, values = _projections(builder, value, heads)
    if shape.position == "rope" and shape.mla is None:
        query = rotate(builder, query, builder.setting.residual)
        key = rotate(builder, key, builder.setting.residual)
    mixed = mix(builder, query, key, values, heads)
    output = builder.linear(
        "o_proj", mixed, heads.query * heads.value_width, hidden, shape.attention_bias in ("all", "out_only")
    )
    builder.hold(value)
    return output


def _projections(builder: Builder, value: Value, heads: Heads) -> tuple[Value, Value, Value]:
    """Queries, keys and values, transposed; GPT-2 has one product for all three (`c_attn`)."""
    shape, hidden = builder.setting.shape, builder.setting.shape.hidden_size
    bias = shape.attention_bias in ("all", "qkv_only")
    widths = (heads.query * heads.key_width, heads.key * heads.key_width, heads.key * heads.value_width)
    if is_gpt2(shape):
        joined = builder.linear("c_attn", value, hidden, sum(widths), bias)
        query, key, values = builder.split(joined, tuple(builder.rows * width for width in widths))
        return builder.view(query), builder.view(key), builder.view(values)
    query = builder.linear("q_proj", value, hidden, widths[0], bias)
    query = builder.view(_head_norm(builder, query, heads.query))
    key = builder.linear("k_proj", value, hidden, widths[1], bias)
    key = builder.view(_head_norm(builder, key, heads.key))
    return query, key, builder.view(builder.linear("v_proj", value, hidden, widths[2], bias))


def _head_norm(builder: Builder, value: Value, heads: int) -> Value:
    shape = builder.setting.shape
    if not shape.qk_norm:
        return value
    if shape.qk_norm_width == "head":
        return builder.norm(value, shape.head_dim, builder.rows * heads)
    return builder.norm(value, shape.head_dim * heads, builder.rows)


def mix(builder: Builder, query: Value, key: Value, value: Value, heads: Heads) -> Value:
    """Core attention with the plan's kernel."""
    setting, rows = builder.setting, builder.rows
    if setting.attention == "flash":
        return flash(builder, query, key, value, rows, heads)
    times, drops = heads.query // heads.key, is_gpt2(setting.shape)
    key, value = repeat_heads(builder, key, times), repeat_heads(builder, value, times)
    if setting.attention == "sdpa":
        if drops:
            return math_sdpa(builder, query, key, value, rows, heads)
        return sdpa(builder, query, key, value, rows, heads, Form(pair=1))
    how = EagerSettings(setting.residual, softmax_in_fp32=not drops, dropout=drops)
    return eager(builder, query, key, value, rows, heads, how)


def mlp(builder: Builder, value: Value, width: int) -> Value:
    """`LlamaMLP.forward`, or the plain MLP of older models."""
    shape = builder.setting.shape
    hidden, bias, width = shape.hidden_size, shape.mlp_bias, -(-width // builder.setting.tensor)
    if shape.mlp == "gated":
        gate = builder.pointwise(builder.linear("gate_proj", value, hidden, width, bias))
        inner = builder.multiply(gate, builder.linear("up_proj", value, hidden, width, bias))
    else:
        inner = activation(builder, shape, builder.linear("up_proj", value, hidden, width, bias))
    output = builder.linear("down_proj", inner, width, hidden, bias)
    builder.hold(value)
    return output


def feed_forward(builder: Builder, value: Value, has_experts: bool) -> Value:
    """The layer's MLP, or its routed and shared experts."""
    shape = builder.setting.shape
    if not has_experts or shape.moe is None:
        return mlp(builder, value, shape.intermediate_size)
    routed = experts(builder, shape.moe, value)
    if not shape.moe.shared_intermediate_size:
        return routed
    return builder.add(routed, mlp(builder, value, shape.moe.shared_intermediate_size))


def _sublayer(builder: Builder, value: Value) -> Value:
    """What a sublayer gives to the residual sum: normed again in models with four norms a layer, dropped out in
    GPT-2.
    """
    shape, value = builder.setting.shape, builder.scatter(value)
    value = builder.norm(value, shape.hidden_size) if shape.norms_per_layer == 4 else value
    return dropped(builder, shape, value)


def layer(setting: Setting, variant: Variant) -> tuple[Builder, Value, Value]:
    """A decoder layer: its tape, its input and its output."""
    builder, hidden = Builder(setting, variant.trained), setting.shape.hidden_size
    first = Value(builder.norm_rows * hidden, setting.residual, needs_gradient=variant.input_gradient)
    normal = builder.gather(builder.norm(first, hidden))
    value = builder.add(first, _sublayer(builder, attention(builder, normal)))
    source = first if setting.shape.parallel_residual else value
    if not setting.shape.parallel_residual or setting.shape.norms_per_layer > 1:
        normal = builder.gather(builder.norm(source, hidden))
    inner = feed_forward(builder, normal, variant.experts)
    return builder, first, builder.add(value, _sublayer(builder, inner))


def head(setting: Setting, vocabulary: int, variant: Variant) -> tuple[Builder, Value, Value]:
    """Final norm, output head and loss."""
    builder, hidden = Builder(setting, variant.trained), setting.shape.hidden_size
    first = Value(builder.norm_rows * hidden, setting.residual, needs_gradient=variant.input_gradient)
    value = builder.gather(builder.norm(first, hidden) if setting.shape.final_norm else first)
    if setting.loss == "fused":
        return builder, first, fused_loss(builder, value, vocabulary)
    logits = builder.linear("lm_head", value, hidden, vocabulary, setting.shape.head_bias)
    if setting.loss == "chunked":
        return builder, first, chunked_loss(builder, logits)
    return builder, first, standard_loss(builder, logits)
