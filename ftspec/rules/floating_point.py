"""Products of a step: how many more a change of activation checkpointing makes."""

from ftspec.catalog.parameters import active_parameters, embedding_parameters, head_parameters
from ftspec.catalog.shape import ModelShape
from ftspec.plan.model import Plan


def attention_core(shape: ModelShape, sequence_length: int) -> int:
    """FLOPs of a token's attention core in one layer's forward pass: queries × keys and scores × values, 2 FLOPs a
    multiplication and addition, of which the causal mask leaves half (Dao 2023, section 4.1).
    """
    widths = shape.head_dim + (shape.v_head_dim or shape.head_dim)
    return shape.num_attention_heads * widths * sequence_length


def layers_forward(plan: Plan) -> int:
    """FLOPs of a token in the forward pass of all layers: two for each weight that it passes (Kaplan et al. 2020,
    section 2.1), and the attention cores.
    """
    shape = plan.model.shape
    weights = active_parameters(shape) - embedding_parameters(shape) - head_parameters(shape)
    return 2 * weights + shape.num_hidden_layers * attention_core(shape, plan.training.sequence_length)


def step_products(plan: Plan) -> float:
    """FLOPs of a token in a step: forward; backward, twice as much where weights are trained and as much where only
    something below them is; and what checkpointing runs again. Frozen layers below the first trained one run forward
    only.
    """
    training, shape = plan.training, plan.model.shape
    method, layers = training.method, layers_forward(plan)
    head = 2 * shape.hidden_size * shape.vocab_size
    share = 1.0
    if method.kind == "partial" and not method.embeddings:
        share = min(method.last_layers, shape.num_hidden_layers) / shape.num_hidden_layers
    again = {
        "none": 0,
        "selective": shape.num_hidden_layers * attention_core(shape, training.sequence_length),
        "full": layers,
    }[training.activation_checkpointing]
    trained = 1 if method.kind in ("lora", "qlora") else 2
    head_backward = 2 if method.kind == "full" or method.head else 1
    return layers + head + share * (trained * layers + again) + head_backward * head


def more_products(before: Plan, after: Plan) -> float:
    """The share by which a step's products grow."""
    return step_products(after) / step_products(before) - 1
