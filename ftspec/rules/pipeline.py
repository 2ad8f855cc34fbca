"""Rules over how the layers lie on pipeline stages."""

import math
from collections.abc import Iterator
from functools import cache

from ftspec.catalog.parameters import embedding_parameters, head_parameters, layer_parameters
from ftspec.catalog.shape import ModelShape
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.core.source import Span
from ftspec.plan.model import Plan
from ftspec.plan.stages import Stage, lay_out_stages
from ftspec.rules.arithmetic import divides_layers, divisors, nearest
from ftspec.rules.example import DEEP_LLAMA, job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import billions, blamed, either

_PIPELINE, _VIRTUAL = "parallelism.pipeline", "parallelism.virtual_pipeline"
_NODES_TRIED = 16
_HEAVY = 1.2
"""From here an end of the pipeline is heavier than its middle by enough to say so."""
_TWO_NODES = 'gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8  network = "InfiniBand-NDR"'


def _takes(plan: Plan, pipeline: int, nodes: int) -> bool:
    """Whether so many nodes divide by a pipeline beside tensor and context, and the written batch by what is left."""
    layout, hardware, training = plan.parallelism, plan.hardware, plan.training
    data, rest = divmod(nodes * hardware.gpus_per_node, layout.tensor * layout.context * pipeline)
    whole = not plan.given("training.global_batch_size") or data == 0
    return rest == 0 and (whole or training.global_batch_size % (training.micro_batch_size * data) == 0)


def _nearest_nodes(plan: Plan, pipeline: int) -> int | None:
    """The number of nodes nearest to the job's that takes a pipeline."""
    layout, hardware = plan.parallelism, plan.hardware
    parts = layout.tensor * layout.context * pipeline
    step = parts // math.gcd(parts, hardware.gpus_per_node)
    near = [(hardware.nodes // step + offset) * step for offset in range(-_NODES_TRIED, _NODES_TRIED + 1)]
    fitting = [nodes for nodes in near if nodes > 0 and _takes(plan, pipeline, nodes)]
    return min(fitting, key=lambda nodes: abs(nodes - hardware.nodes), default=None)


def _working_pipelines(plan: Plan) -> str:
    """What to write: degrees that divide layers and GPUs, or where only 1 does, others with the nodes they need."""
    layers, wanted, nodes = plan.model.shape.num_hidden_layers, plan.parallelism.pipeline, plan.hardware.nodes
    degrees = sorted({each for each in divisors(layers) + divisors(layers + 2) if divides_layers(layers, each)})
    here = [each for each in degrees if _takes(plan, each, nodes)]
    ways = [f"pipeline = {either(nearest(here, wanted))}"] if here else []
    if here in ([], [1]):
        needed = {each: _nearest_nodes(plan, each) for each in nearest(degrees[1:], wanted)}
        ways += [f"pipeline = {each} with nodes = {count}" for each, count in needed.items() if count]
    return f"write {', or '.join(ways)}" if ways else "use a number of GPUs that divides as the layers do"


def _working_virtual_stages(plan: Plan) -> list[int]:
    layers, pipeline = plan.model.shape.num_hidden_layers, plan.parallelism.pipeline
    return [degree for degree in range(1, layers // pipeline + 1) if divides_layers(layers, degree * pipeline)]


@plan_rule(
    "FT220",
    Severity.ERROR,
    "there are more pipeline pieces than layers",
    "Each stage (each chunk of it, with virtual stages) needs a layer.",
    bad=job(
        hardware='gpu = "H100-SXM5-80GB"  nodes = 4  gpus_per_node = 8  network = "InfiniBand-NDR"',
        parallelism="pipeline = 32",
    ),
    good=job(model=DEEP_LLAMA, training="global_batch_size = 32", parallelism="pipeline = 4"),
)
def stages_have_layers(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """pipeline × virtual_pipeline ≤ layers."""
    layout, layers = plan.parallelism, plan.model.shape.num_hidden_layers
    pieces = layout.pipeline * layout.virtual_pipeline
    if layout.pipeline > 1 and pieces > layers:
        virtual = f" × virtual_pipeline {layout.virtual_pipeline} = {pieces}" if layout.virtual_pipeline > 1 else ""
        yield rule.finding(
            f"pipeline {layout.pipeline}{virtual} is more than the model's {layers} layers",
            blamed(plan, _PIPELINE, _VIRTUAL),
            _working_pipelines(plan),
        )


@plan_rule(
    "FT221",
    Severity.ERROR,
    "pipeline parallelism does not divide the layers",
    "Megatron gives each stage the same number of layers and refuses a degree that does not divide them"
    " (validate_args). Only a layout in which embedding and head take the place of one layer each is balanced too.",
    bad=job(
        model=DEEP_LLAMA,
        hardware='gpu = "H100-SXM5-80GB"  gpus_per_node = 5',
        training="stack = megatron  global_batch_size = 40",
        parallelism="pipeline = 5",
    ),
    good=job(model=DEEP_LLAMA, training="stack = megatron  global_batch_size = 32", parallelism="pipeline = 4"),
)
def pipeline_divides_layers(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Layers by pipeline under Megatron."""
    layers, pipeline = plan.model.shape.num_hidden_layers, plan.parallelism.pipeline
    if plan.training.stack == "megatron" and pipeline > 1 and any(_said_ends(plan)):
        yield from _uneven_stages(rule, plan)
        return
    if plan.training.stack != "megatron" or pipeline > layers or divides_layers(layers, pipeline):
        return
    yield rule.finding(
        f"pipeline = {pipeline} does not divide {layers} layers: stages of {_layers_of(plan.stages)}",
        blamed(plan, _PIPELINE),
        _working_pipelines(plan),
    )


def _said_ends(plan: Plan) -> tuple[int, int]:
    return plan.megatron.first_stage_layers, plan.megatron.last_stage_layers


def _uneven_stages(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """The stages between the ends share the other layers evenly."""
    first, last = _said_ends(plan)
    found = (plan.stages[0].num_layers, plan.stages[-1].num_layers)
    middle = {stage.num_layers for stage in plan.stages[1 if first else 0 : -1 if last else None]}
    if found[0] == (first or found[0]) and found[1] == (last or found[1]) and len(middle) <= 1:
        return
    stages = plan.parallelism.pipeline - (first > 0) - (last > 0)
    left = plan.model.shape.num_hidden_layers - first - last
    flag = "first" if first else "last"
    yield rule.finding(
        f"the end stages' layers leave {left}, which {stages} stages of {plan.parallelism.virtual_pipeline} chunks do "
        "not divide",
        _raw_span(plan, flag),
        "give the end stages so many layers that the others divide the rest",
    )


def _raw_span(plan: Plan, end: str) -> Span:
    place = plan.origins[f"megatron.{end}_stage_layers"].place
    return place.value if place is not None else blamed(plan, _PIPELINE)


def _layers_of(stages: tuple[Stage, ...]) -> str:
    counts = sorted({stage.num_layers for stage in stages}, reverse=True)
    return " and ".join(str(count) for count in counts)


@plan_rule(
    "FT222",
    Severity.WARNING,
    "the stages hold different numbers of layers",
    "DeepSpeed's pipeline takes an uneven split; the fullest stage sets the pace, and the others wait for it in every"
    " micro-batch.",
    bad=job(
        model=DEEP_LLAMA,
        hardware='gpu = "H100-SXM5-80GB"  gpus_per_node = 5',
        training="stack = deepspeed  global_batch_size = 40",
        parallelism="pipeline = 5",
    ),
    good=job(model=DEEP_LLAMA, training="stack = deepspeed  global_batch_size = 32", parallelism="pipeline = 4"),
)
def stages_are_even(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Layers by pipeline where an uneven split runs."""
    layers, pipeline = plan.model.shape.num_hidden_layers, plan.parallelism.pipeline
    if plan.training.stack == "megatron" or pipeline > layers or divides_layers(layers, pipeline):
        return
    most = max(stage.num_layers for stage in plan.stages)
    idle = 1 - layers / (pipeline * most)
    yield rule.finding(
        f"pipeline = {pipeline} over {layers} layers makes stages of {_layers_of(plan.stages)}: {idle:.0%} of the"
        " GPUs' time is waiting",
        blamed(plan, _PIPELINE),
        _working_pipelines(plan),
    )


@plan_rule(
    "FT223",
    Severity.ERROR,
    "virtual stages do not divide the layers",
    "The interleaved schedule cuts the model into pipeline × virtual_pipeline equal pieces (validate_args).",
    bad=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 32",
        parallelism="pipeline = 4  virtual_pipeline = 3",
    ),
    good=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 32",
        parallelism="pipeline = 4  virtual_pipeline = 2",
    ),
)
def virtual_stages_divide_layers(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Layers by pipeline × virtual_pipeline."""
    layout, layers = plan.parallelism, plan.model.shape.num_hidden_layers
    pieces = layout.pipeline * layout.virtual_pipeline
    if layout.virtual_pipeline == 1 or layout.pipeline == 1 or pieces > layers:
        return
    if not divides_layers(layers, layout.pipeline) or divides_layers(layers, pieces):
        return
    yield rule.finding(
        f"pipeline {layout.pipeline} × virtual_pipeline {layout.virtual_pipeline} = {pieces} does not divide {layers}"
        " layers",
        blamed(plan, _VIRTUAL, _PIPELINE),
        f"write virtual_pipeline = {either(nearest(_working_virtual_stages(plan), layout.virtual_pipeline))}",
    )


@plan_rule(
    "FT225",
    Severity.NOTE,
    "the end stages hold a layer less",
    "Where the layers do not divide by themselves but do with embedding and head counted as a layer each, the first and"
    " the last stage get one layer less, as Llama 3 405B was trained (Grattafiori et al. 2024, section 3.3.2). Megatron"
    " is told so by --pipeline-model-parallel-layout; the plain degree it would refuse.",
    bad=job(
        model='from = "meta-llama/Llama-3.2-1B"  num_hidden_layers = 30  vocab_size = 32000',
        training="stack = megatron  global_batch_size = 32",
        parallelism="pipeline = 4",
    ),
    good=job(model=DEEP_LLAMA, training="stack = megatron  global_batch_size = 32", parallelism="pipeline = 4"),
)
def end_stages_hold_a_layer_less(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Layers + 2 by pipeline × virtual_pipeline, where the layers alone do not divide."""
    layout, layers = plan.parallelism, plan.model.shape.num_hidden_layers
    pieces = layout.pipeline * layout.virtual_pipeline
    uneven = layers % pieces and divides_layers(layers, pieces)
    if layout.pipeline > 1 and uneven and "megatron" in plan.training.stack:
        first, second = plan.stages[0].num_layers, plan.stages[1].num_layers
        between = f", those between {second}" if layout.pipeline > 2 else ""
        yield rule.finding(
            f"{layers} layers divide over {pieces} pieces with embedding and head counted as a layer each: the end"
            f" stages hold {first} layers{between}",
            blamed(plan, _PIPELINE),
        )


@cache
def _layer_totals(shape: ModelShape) -> tuple[int, ...]:
    return tuple(layer_parameters(shape, layer).total for layer in range(shape.num_hidden_layers))


def stage_parameters(plan: Plan, stage: Stage) -> int:
    """Parameters of a stage before tensor parallelism; a tied head counts where it is computed."""
    shape = plan.model.shape
    totals = _layer_totals(shape)
    layers = sum(sum(totals[chunk.start : chunk.stop]) for chunk in stage.chunks)
    embedding = embedding_parameters(shape)
    head = embedding if shape.tie_word_embeddings else head_parameters(shape)
    return layers + (embedding if stage.embedding else 0) + (head if stage.head else 0)


def _ends_and_middle(plan: Plan, stages: tuple[Stage, ...]) -> tuple[int, int]:
    """Parameters of the heavier end and of the heaviest stage between the ends."""
    ends = (stage_parameters(plan, stages[0]), stage_parameters(plan, stages[-1]))
    return max(ends), max((stage_parameters(plan, stage) for stage in stages[1:-1]), default=max(ends))


def _balanced(plan: Plan) -> list[int]:
    """Shorter pipelines that the GPUs take and whose ends are not too heavy; 1 always is one."""
    layers = plan.model.shape.num_hidden_layers
    shorter = [each for each in divisors(layers) if 1 < each < plan.parallelism.pipeline]
    fitting = [each for each in shorter if _takes(plan, each, plan.hardware.nodes)]
    weighed = [(each, _ends_and_middle(plan, lay_out_stages(layers, each, 1))) for each in fitting]
    return [1, *(each for each, (ends, middle) in weighed if ends <= _HEAVY * middle)]


@plan_rule(
    "FT224",
    Severity.WARNING,
    "the ends of the pipeline are heavier than its middle",
    "The first stage holds the embedding and the last one the head and the loss, beside as many layers as every"
    " other. Where stages have few layers that is a large part: the ends run out of memory first, and the last stage"
    " slows all others down.",
    bad=job(hardware=_TWO_NODES, training="global_batch_size = 64", parallelism="pipeline = 16"),
    good=job(model=DEEP_LLAMA, training="global_batch_size = 32", parallelism="pipeline = 4"),
)
def ends_are_as_heavy_as_the_middle(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Parameters of the end stages against the middle ones: a fifth more is worth a word."""
    if plan.parallelism.pipeline < 3 or any(stage.num_layers == 0 for stage in plan.stages):
        return
    heaviest, middle = _ends_and_middle(plan, plan.stages)
    if heaviest <= _HEAVY * middle:
        return
    layers = plan.model.shape.num_hidden_layers
    yield rule.finding(
        f"pipeline = {plan.parallelism.pipeline} over {layers} layers is {plan.stages[1].num_layers} layers a stage"
        f" ({billions(middle)} parameters), but the ends also hold embedding and head: {billions(heaviest)},"
        f" {heaviest / middle - 1:.0%} more",
        blamed(plan, _PIPELINE),
        f"write pipeline = {either(_balanced(plan)[-2:])}, so that the ends weigh less beside the layers",
    )
