"""What selective checkpointing keeps of a layer, where the stack decides by operator."""

from ftspec.memory.step.form import Form
from ftspec.memory.step.operations import FP32
from ftspec.memory.step.setting import Setting, Variant


def kept_by_operator(setting: Setting, variant: Variant) -> Form:
    """torchtitan's policy, the one there is for FSDP2: beside its input a layer keeps what attention gives, with the
    log-sum-exp, and what every second matrix product gives, the first one included; the rest is computed again
    (torchtitan/distributed/activation_checkpoint.py, `SelectiveAC`). Products of experts are not among those.
    """
    shape, tensor = setting.shape, setting.tensor
    heads, keys = -(-shape.num_attention_heads // tensor), max(1, shape.num_key_value_heads // tensor)
    values = heads * (shape.v_head_dim or shape.head_dim)
    products = [heads * shape.head_dim, keys * shape.head_dim, keys * shape.head_dim, shape.hidden_size]
    if not variant.experts:
        inner = -(-shape.intermediate_size // tensor)
        products += [inner] * (1 if shape.mlp == "plain" else 2) + [shape.hidden_size]
    return Form(token=(sum(products[::2]) + values) * setting.compute + heads * FP32)
