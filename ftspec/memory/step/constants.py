"""What a step holds once for all layers of a model."""

from functools import cache

from ftspec.memory.step.code import code_of
from ftspec.memory.step.form import ZERO, Form
from ftspec.memory.step.rotary import rotary_width
from ftspec.memory.step.setting import Setting


def model_buffers(setting: Setting, layers: int) -> int:
    """Squares of booleans that a model has as buffers, and so through the whole step
    (transformers/models/gpt_bigcode/modeling_gpt_bigcode.py, `GPTBigCodeModel.__init__`; gpt_neo's
    `GPTNeoSelfAttention.__init__`, one in each layer).
    """
    where = code_of(setting.shape).causal_buffer
    if where == "none":
        return 0
    return setting.shape.max_position_embeddings**2 * (layers if where == "layer" else 1)


def model_constants(setting: Setting, layers: int, differentiated: bool) -> Form:
    """Cosines and sines, what the embedding's norm and dropout keep where the embedding's output is `differentiated`,
    and the model's buffers.
    """
    shape, code = setting.shape, code_of(setting.shape)
    form = Form(model_buffers(setting, layers))
    if shape.position == "rope":
        form += Form(position=2 * rotary_width(shape) * setting.residual)
    if differentiated and (code.embedding_dropout or shape.embedding_norm):
        form += Form(token=shape.hidden_size * setting.residual)
    return form


@cache
def masks(setting: Setting) -> Form:
    """The attention mask, and another one where some layers look through a window
    (transformers/masking_utils.py, `create_causal_mask`, `create_sliding_window_causal_mask`). Megatron's kernels know
    the mask by its name.
    """
    if setting.megatron:
        return ZERO
    kinds = max(1, len({"sliding_attention", "full_attention"} & set(setting.shape.layer_types)))
    if setting.attention == "sdpa":
        return Form(pair=kinds) if code_of(setting.shape).masked_kernel else ZERO
    return Form(pair=kinds * setting.residual) if setting.attention == "eager" else ZERO


@cache
def embedding_leaf(setting: Setting) -> Form:
    """An embedding output that requires a gradient by itself is a leaf: with its gradient it outlives its step (seen in
    traces of transformers' `enable_input_require_grads`); where positions are added to it or a factor scales it, it is
    not what the first layer keeps, and there is another one.
    """
    apart = setting.shape.position == "learned" or code_of(setting.shape).scaled_embedding
    return Form(token=(3 if apart else 2) * setting.shape.hidden_size * setting.residual)
