"""Biases: Megatron has one switch for all linear layers and one for query, key and value alone.

Sources: megatron/core/transformer/attention.py (`add_bias_linear or add_qkv_bias`), mlp.py, moe/router.py and
moe/experts.py.
"""

from ftspec.backends.megatron.argument import Argument
from ftspec.catalog.parameters import has_experts
from ftspec.catalog.shape import ModelShape

_ORIGIN = "model.shape"


def linear_biases(shape: ModelShape) -> dict[str, bool]:
    """For each kind of linear layer that the model has, whether it has a bias."""
    biases = {
        "query, key and value": shape.attention_bias in ("all", "qkv_only"),
        "attention output": shape.attention_bias in ("all", "out_only"),
    }
    moe = shape.moe
    every_layer_has_experts = moe is not None and all(
        has_experts(shape, layer) for layer in range(shape.num_hidden_layers)
    )
    if not every_layer_has_experts or (moe is not None and moe.shared_intermediate_size):
        biases["MLP"] = shape.mlp_bias
    if moe is not None:
        biases["router"] = moe.router_bias
        biases["experts"] = moe.expert_bias
    return biases


def biases_expressible(shape: ModelShape) -> bool:
    """Whether Megatron's two switches can say this: all, none, or query, key and value only."""
    biases = linear_biases(shape)
    with_bias = {name for name, has in biases.items() if has}
    return with_bias in (set(), {"query, key and value"}, set(biases))


def bias_arguments(shape: ModelShape) -> list[Argument]:
    """The switches. Experts with biases exclude the fusion of bias and dropout (moe/experts.py, `TEGroupedMLP`)."""
    biases = linear_biases(shape)
    if all(biases.values()):
        if shape.moe is None:
            return []
        return [Argument("no-bias-dropout-fusion", True, "constant: Megatron refuses it for experts with biases")]
    arguments = [Argument("disable-bias-linear", True, _ORIGIN)]
    if biases["query, key and value"]:
        arguments.append(Argument("add-qkv-bias", True, _ORIGIN))
    return arguments
