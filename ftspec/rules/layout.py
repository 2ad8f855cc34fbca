"""Rules over the layout as a whole, and over what tensor parallelism divides."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import common_divisors, divides_layers, divisors, multiplies_out, nearest, round_up
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either, replacing

_TENSOR, _PIPELINE, _DATA = "parallelism.tensor", "parallelism.pipeline", "parallelism.data"
_MEGATRON_VOCABULARY_MULTIPLE = 128
"""megatron/training/arguments.py, --make-vocab-size-divisible-by."""


@plan_rule(
    "FT201",
    Severity.ERROR,
    "the layout does not multiply out to the GPUs",
    "Every GPU has one place in the layout: tensor × pipeline × context × data must be nodes × gpus_per_node."
    " Megatron and DeepSpeed refuse anything else when they build their groups.",
    bad=job(parallelism="tensor = 4  data = 4"),
    good=job(parallelism="tensor = 4  data = 2"),
)
def world_size_is_the_product(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """World size = tensor × pipeline × context × data."""
    layout, hardware = plan.parallelism, plan.hardware
    if multiplies_out(plan):
        return
    model_parallel = layout.tensor * layout.pipeline * layout.context
    has = f"nodes {hardware.nodes:,} × gpus_per_node {hardware.gpus_per_node} = {hardware.world_size:,} GPUs"
    shown = f"tensor {layout.tensor} × pipeline {layout.pipeline}" + (
        f" × context {layout.context}" if layout.context > 1 else ""
    )
    if hardware.world_size % model_parallel:
        message = f"{shown} = {model_parallel:,} does not divide {has}"
        span = blamed(plan, *(path for _, path in _degrees_by_size(plan)), "parallelism")
        yield rule.finding(message, span, _working_degrees(plan, model_parallel))
        return
    data = hardware.world_size // model_parallel
    message = f"{shown} × data {layout.data} = {model_parallel * layout.data:,} GPUs, but {has}"
    needed = model_parallel * layout.data
    nodes = f", or nodes = {needed // hardware.gpus_per_node}" if needed % hardware.gpus_per_node == 0 else ""
    help = f"write data = {data} (or data = auto){nodes}"
    yield rule.finding(message, blamed(plan, _DATA), help, replacing(plan, _DATA, data))


def _degrees_by_size(plan: Plan) -> list[tuple[int, str]]:
    layout = plan.parallelism
    degrees = [
        (layout.tensor, _TENSOR),
        (layout.pipeline, _PIPELINE),
        (layout.context, "parallelism.context"),
    ]
    return sorted(degrees, reverse=True)


def _working_degrees(plan: Plan, model_parallel: int) -> str:
    """Which single change makes tensor × pipeline × context divide the GPUs."""
    world = plan.hardware.world_size
    ways = []
    for degree, path in _degrees_by_size(plan):
        others = model_parallel // degree
        values = divisors(world // others) if degree > 1 and world % others == 0 else []
        working = [value for value in values if _suits_the_model(plan, path, value)]
        if working:
            ways.append(f"{path.removeprefix('parallelism.')} = {either(nearest(working, degree))}")
    if ways:
        beside = ", with data = auto" if plan.given(_DATA) else ""
        return "what would divide them: " + "; or ".join(ways) + beside
    return f"tensor, pipeline and context must each divide {world:,} GPUs, and so must their product"


def _suits_the_model(plan: Plan, path: str, degree: int) -> bool:
    """Whether the model divides by a degree too."""
    if path == _TENSOR:
        cut = all(number % degree == 0 for _, _, number in _divided_by_tensor(plan))
        return cut and _divides_key_value_heads(plan, degree)
    return path != _PIPELINE or divides_layers(plan.model.shape.num_hidden_layers, degree)


def _divided_by_tensor(plan: Plan) -> list[tuple[str, str, int]]:
    """What tensor parallelism cuts into equal pieces: a key for the rule, words, and the number."""
    shape = plan.model.shape
    cut = [
        ("heads", "the attention heads", shape.num_attention_heads),
        ("hidden", "the hidden size", shape.hidden_size),
    ]
    if shape.moe is None or shape.moe.first_k_dense_replace > 0 or shape.moe.moe_layer_step > 1:
        cut.append(("mlp", "the MLP's width", shape.intermediate_size))
    if shape.moe is not None and shape.moe.shared_intermediate_size:
        cut.append(("mlp", "the shared experts' width", shape.moe.shared_intermediate_size))
    return cut


def _divides_key_value_heads(plan: Plan, tensor: int) -> bool:
    shape = plan.model.shape
    heads = shape.num_key_value_heads
    return shape.mla is not None or heads % tensor == 0 or tensor % heads == 0


def _working_tensors(plan: Plan) -> str:
    """Degrees that divide all there is to divide, the nearest first choice, inside a node where possible."""
    numbers = [number for _, _, number in _divided_by_tensor(plan)]
    works = [degree for degree in common_divisors(*numbers) if _divides_key_value_heads(plan, degree)]
    inside = [degree for degree in works if plan.hardware.gpus_per_node % degree == 0]
    return f"write tensor = {either(nearest(inside or works, plan.parallelism.tensor))}"


def _not_divided(plan: Plan) -> tuple[str, str, int] | None:
    """The first thing that tensor does not divide: one degree, one finding."""
    tensor = plan.parallelism.tensor
    return next((cut for cut in _divided_by_tensor(plan) if cut[2] % tensor), None)


def _tensor_finding(rule: Rule, plan: Plan, key: str, why: str) -> Iterator[Finding]:
    cut = _not_divided(plan)
    if cut is not None and cut[0] == key:
        tensor = plan.parallelism.tensor
        message = f"tensor = {tensor} does not divide {cut[1]} ({cut[2]:,}): {why}"
        yield rule.finding(message, blamed(plan, _TENSOR), _working_tensors(plan))


@plan_rule(
    "FT202",
    Severity.ERROR,
    "tensor parallelism does not divide the attention heads",
    "Attention is split by whole heads. Megatron refuses other degrees"
    " (megatron/core/transformer/transformer_config.py).",
    bad=job(hardware='gpu = "H100-SXM5-80GB"  gpus_per_node = 3', parallelism="tensor = 3"),
    good=job(parallelism="tensor = 4"),
)
def tensor_divides_heads(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Attention heads by tensor."""
    yield from _tensor_finding(rule, plan, "heads", "a head cannot be split between GPUs")


@plan_rule(
    "FT203",
    Severity.ERROR,
    "tensor parallelism and the key-value heads do not divide",
    "With grouped-query attention each GPU holds whole key-value heads, or several GPUs hold the same one: one number"
    " must divide the other (megatron/core/transformer/attention.py).",
    bad=job(
        model='from = "meta-llama/Llama-3.2-1B"  num_attention_heads = 24  num_key_value_heads = 6  head_dim = 64',
        parallelism="tensor = 4",
    ),
    good=job(
        model='from = "meta-llama/Llama-3.2-1B"  num_attention_heads = 24  num_key_value_heads = 6  head_dim = 64',
        parallelism="tensor = 2",
    ),
)
def tensor_divides_key_value_heads(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Key-value heads by tensor, or tensor by them."""
    tensor = plan.parallelism.tensor
    if _not_divided(plan) is None and not _divides_key_value_heads(plan, tensor):
        heads = plan.model.shape.num_key_value_heads
        message = f"tensor = {tensor} neither divides the {heads} key-value heads nor is a multiple of them"
        yield rule.finding(message, blamed(plan, _TENSOR), _working_tensors(plan))


@plan_rule(
    "FT204",
    Severity.NOTE,
    "key-value heads are replicated",
    "With more tensor-parallel GPUs than key-value heads, several GPUs hold the same head: its weights and its part"
    " of the cache are not divided any further.",
    bad=job(
        hardware='gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8  network = "InfiniBand-NDR"',
        parallelism="tensor = 16",
    ),
    good=job(parallelism="tensor = 8"),
)
def key_value_heads_are_replicated(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """More tensor-parallel GPUs than key-value heads."""
    shape, tensor = plan.model.shape, plan.parallelism.tensor
    heads = shape.num_key_value_heads
    if shape.mla is None and tensor > heads and tensor % heads == 0 and shape.num_attention_heads % tensor == 0:
        yield rule.finding(
            f"tensor = {tensor} with {heads} key-value heads: each is held by {tensor // heads} GPUs",
            blamed(plan, _TENSOR),
        )


@plan_rule(
    "FT205",
    Severity.ERROR,
    "tensor parallelism does not divide the hidden size",
    "Column-parallel and row-parallel matrices are cut into equal pieces along the hidden size.",
    bad=job(model='from = "meta-llama/Llama-3.2-1B"  hidden_size = 2052  head_dim = 64', parallelism="tensor = 8"),
    good=job(parallelism="tensor = 8"),
)
def tensor_divides_hidden_size(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Hidden size by tensor."""
    yield from _tensor_finding(rule, plan, "hidden", "each GPU holds an equal piece of every matrix")


@plan_rule(
    "FT206",
    Severity.ERROR,
    "tensor parallelism does not divide the MLP's width",
    "The MLP's two or three matrices are cut into equal pieces along the intermediate size"
    " (megatron/core/tensor_parallel/layers.py).",
    bad=job(model='from = "meta-llama/Llama-3.2-1B"  intermediate_size = 8196', parallelism="tensor = 8"),
    good=job(parallelism="tensor = 8"),
)
def tensor_divides_mlp_width(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """MLP width by tensor: of the dense layers and of the shared experts."""
    yield from _tensor_finding(rule, plan, "mlp", "each GPU holds an equal piece of it")


def _padding(plan: Plan) -> tuple[int, float]:
    """Rows that Megatron adds to the vocabulary, and their share of it."""
    if "megatron" not in plan.training.stack:
        return 0, 0.0
    vocabulary = plan.model.shape.vocab_size
    rows = round_up(vocabulary, _MEGATRON_VOCABULARY_MULTIPLE * plan.parallelism.tensor) - vocabulary
    return rows, rows / vocabulary


@plan_rule(
    "FT207",
    Severity.WARNING,
    "the vocabulary is padded by a tenth or more",
    "Megatron pads the vocabulary to a multiple of 128 × tensor. The added rows cost memory and time in the"
    " embedding, the head and the logits.",
    bad=job(model='from = "meta-llama/Llama-3.2-1B"  vocab_size = 1100', parallelism="tensor = 8"),
    good=job(parallelism="tensor = 8"),
)
def vocabulary_is_padded_much(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A large padding of the vocabulary."""
    rows, share = _padding(plan)
    if share >= 0.1:
        yield rule.finding(
            _padding_message(plan, rows, share),
            blamed(plan, "model.vocab_size", _TENSOR),
            "use a smaller tensor, or a larger vocabulary",
        )


@plan_rule(
    "FT208",
    Severity.NOTE,
    "the vocabulary is padded",
    "Megatron pads the vocabulary to a multiple of 128 × tensor; checkpoints then have more rows than the tokenizer"
    " has entries.",
    bad=job(model='from = "meta-llama/Llama-3.2-1B"  vocab_size = 50257', parallelism="tensor = 8"),
    good=job(parallelism="tensor = 8"),
)
def vocabulary_is_padded(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A padding of the vocabulary that is worth knowing of: one in a hundred rows or more."""
    rows, share = _padding(plan)
    if 0.01 <= share < 0.1:
        yield rule.finding(_padding_message(plan, rows, share), blamed(plan, "model.vocab_size", _TENSOR, "model"))


def _padding_message(plan: Plan, rows: int, share: float) -> str:
    vocabulary = plan.model.shape.vocab_size
    return (
        f"Megatron pads the vocabulary from {vocabulary:,} to {vocabulary + rows:,} rows ({share:.1%} more), a"
        f" multiple of {_MEGATRON_VOCABULARY_MULTIPLE} × tensor ="
        f" {_MEGATRON_VOCABULARY_MULTIPLE * plan.parallelism.tensor:,}"
    )
