"""Which tensors the optimizer updates: all, those of the last layers, or those of adapters."""

from functools import cache

from ftspec.catalog.shape import ModelShape
from ftspec.memory.shard import Cuts, Shard, cut_tensors, cuts_of, padded_vocabulary, stage_shard
from ftspec.memory.step.method import adapter_of, embedding_trained, stage_variants
from ftspec.memory.step.setting import Adapter
from ftspec.memory.weights import Weight, embedding_weights, head_weights, layer_weights
from ftspec.plan.model import Plan
from ftspec.plan.stages import Stage


@cache
def projections(shape: ModelShape) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each projection that an adapter may sit beside (dense layers)."""
    hidden, width = shape.hidden_size, shape.intermediate_size
    query, key = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
    found = {"q_proj": (hidden, query), "k_proj": (hidden, key), "v_proj": (hidden, key), "o_proj": (query, hidden)}
    if width:
        found |= {"up_proj": (hidden, width), "down_proj": (width, hidden)}
    if width and shape.mlp == "gated":
        found["gate_proj"] = (hidden, width)
    return found


def adapter_weights(shape: ModelShape, adapter: Adapter) -> list[Weight]:
    """The adapters of one layer: A reads the input, B writes the output (Hu et al. 2021, section 4.1);
    tensor parallelism cuts the one that lies along the cut of its projection.
    """
    weights = []
    for name, (inputs, outputs) in projections(shape).items():
        if name in adapter.targets:
            cut_by_rows = name in ("o_proj", "down_proj")
            weights.append(Weight(f"{name}.lora_A", inputs * adapter.rank, "tensor" if cut_by_rows else "whole"))
            weights.append(Weight(f"{name}.lora_B", adapter.rank * outputs, "whole" if cut_by_rows else "tensor"))
    return weights


def _partial_weights(plan: Plan, stage: Stage, cuts: Cuts) -> list[Weight]:
    shape, method = plan.model.shape, plan.training.method
    vocabulary = padded_vocabulary(shape, plan.training.stack, cuts.tensor)
    layers = [layer for chunk in stage.chunks for layer in chunk]
    weights = [
        weight
        for layer, variant in zip(layers, stage_variants(plan, stage), strict=True)
        if variant.trained
        for weight in layer_weights(shape, layer)
    ]
    if stage.embedding and embedding_trained(plan):
        weights += embedding_weights(shape, vocabulary)
    if stage.head and method.head:
        weights += head_weights(shape, vocabulary, copy_of_tied=not (stage.embedding and embedding_trained(plan)))
    return weights


def trained_shard(plan: Plan, stage: Stage) -> Shard:
    """The tensors that the optimizer updates on the stage's fullest rank."""
    method, cuts = plan.training.method, cuts_of(plan.parallelism)
    if method.kind == "full":
        return stage_shard(plan, stage)
    if method.kind == "partial":
        return cut_tensors(tuple(_partial_weights(plan, stage, cuts)), cuts)
    adapter = adapter_of(method)
    assert adapter is not None
    return cut_tensors(tuple(adapter_weights(plan.model.shape, adapter)) * stage.num_layers, cuts)


def frozen_elements(plan: Plan, stage: Stage) -> Shard:
    """The tensors that are held and not updated."""
    whole = stage_shard(plan, stage)
    if plan.training.method.kind == "full":
        return Shard((), ())
    if plan.training.method.kind != "partial":
        return whole
    trained = trained_shard(plan, stage)
    return Shard(_without(whole.dense, trained.dense), _without(whole.expert, trained.expert))


def _without(every: tuple[int, ...], some: tuple[int, ...]) -> tuple[int, ...]:
    left = list(every)
    for elements in some:
        if elements in left:
            left.remove(elements)
    return tuple(left)
