"""One stage's step in numbers: its parts evaluated for the plan's micro-batch."""

from itertools import accumulate

from ftspec.core.record import record
from ftspec.memory.shard import MEGATRON_STACKS, cuts_of, ends_shard, layer_shard, padded_vocabulary
from ftspec.memory.step.form import Point
from ftspec.memory.step.measure import Part, head_part, layer_part
from ftspec.memory.step.method import embedding_trained, head_variant, setting_of, stage_variants
from ftspec.memory.step.setting import Setting, Variant
from ftspec.memory.step.tape import Bytes, peak_at
from ftspec.plan.model import Plan
from ftspec.plan.stages import Stage


@record
class Measured:
    """A part in bytes: what it keeps (and what of that grows with pairs of positions), its input, the casts of its
    weights, the gradients that it makes, and its peaks; and the elements of its weights on this rank.
    """

    elements: int
    kept: int
    first: int
    casts: int
    gradient: int
    kept_pairs: int
    keeps_first: bool
    forward: Bytes | None
    recompute: Bytes | None
    backward: Bytes | None


@record
class Frame:
    """One stage of one plan. `kept_below`: bytes that the layers below each layer keep of one micro-batch, and last
    those that all keep. `ends_elements` and `largest_end`: of the embedding, the final norm and the head."""

    plan: Plan
    stage: Stage
    setting: Setting
    point: Point
    vocabulary: int
    variants: tuple[Variant, ...]
    layers: dict[Variant, Measured]
    kept_below: tuple[int, ...]
    head: Measured | None
    chunks_in_flight: int
    ends_elements: int
    largest_end: int


def point_of(plan: Plan) -> Point:
    """The lengths of a micro-batch on one rank: the sequence is divided over the context group, and under sequence
    parallelism the residual stream over the tensor group too.
    """
    training, layout = plan.training, plan.parallelism
    positions = -(-training.sequence_length // max(1, layout.context))
    tokens = training.micro_batch_size * positions
    shards = max(1, layout.tensor) if layout.sequence_parallel else 1
    return Point(tokens, -(-tokens // shards), positions, tokens * training.sequence_length)


def chunks_in_flight(plan: Plan, stage: Stage) -> int:
    """Micro-batches whose activations a stage holds, each counted once for each of its chunks of layers.

    1F1B: one for each stage from here on (Narayanan et al. 2021, section 2.2). Interleaved: the warm-up's forward
    passes and one more (megatron/core/pipeline_parallel/schedules.py, `get_pp_rank_microbatches`). GPipe: all.
    """
    layout, steps = plan.parallelism, max(1, plan.training.gradient_accumulation_steps)
    stages, chunks = max(1, layout.pipeline), max(1, layout.virtual_pipeline)
    if stages == 1:
        return chunks
    if layout.schedule == "gpipe":
        return steps * chunks
    left = stages - stage.pipeline_stage
    if chunks > 1:
        return min(2 * (left - 1) + (chunks - 1) * stages + 1, steps * chunks)
    return min(left, steps)


def keeps_gradients(plan: Plan) -> bool:
    """Whether gradients build up during the backward pass; otherwise they are added to buffers that exist already."""
    if plan.training.stack in MEGATRON_STACKS:
        return False
    return plan.training.gradient_accumulation_steps <= 1 or plan.parallelism.zero_stage >= 2


def _measured(part: Part, elements: int, point: Point) -> Measured:
    return Measured(
        elements=elements,
        kept=part.kept.at(point),
        first=part.first.at(point),
        casts=part.casts.fixed,
        gradient=part.gradient.at(point),
        kept_pairs=part.kept.pair * point.pairs,
        keeps_first=part.keeps_first,
        forward=peak_at(part.forward, point),
        recompute=peak_at(part.recompute, point),
        backward=peak_at(part.moments, point),
    )


def _keeps(plan: Plan, variant: Variant, measured: Measured) -> int:
    """Bytes that a layer keeps of one micro-batch.

    Without checkpointing: every tensor that an operation saves. With full checkpointing: the layer's input
    (torch/utils/checkpoint.py). With selective: all but what grows with pairs of positions (Korthikanti et al. 2022,
    section 5).
    """
    if variant.silent:
        return 0
    checkpointing = plan.training.activation_checkpointing
    if checkpointing == "full":
        return measured.first
    return measured.kept - (measured.kept_pairs if checkpointing == "selective" else 0)


def _kept_below(plan: Plan, variants: tuple[Variant, ...], layers: dict[Variant, Measured]) -> tuple[int, ...]:
    """Running sums; of a checkpointed group of layers the first one's input is kept for all."""
    keeps = {variant: _keeps(plan, variant, measured) for variant, measured in layers.items()}
    each = [keeps[variant] for variant in variants]
    every = plan.training.checkpoint_every_layers
    if every > 1 and plan.training.activation_checkpointing == "full":
        each = [bytes_kept if index % every == 0 else 0 for index, bytes_kept in enumerate(each)]
    return tuple(accumulate(each, initial=0))


def frame_of(plan: Plan, stage: Stage) -> Frame:
    """Evaluate a stage."""
    setting, point, keeps = setting_of(plan), point_of(plan), keeps_gradients(plan)
    numbers = [layer for chunk in stage.chunks for layer in chunk]
    variants = stage_variants(plan, stage)
    cuts = cuts_of(plan.parallelism)
    layers = {
        variant: _measured(
            layer_part(setting, variant, keeps), layer_shard(setting.shape, number, cuts).elements, point
        )
        for variant, number in dict(zip(variants, numbers, strict=True)).items()
    }
    vocabulary = padded_vocabulary(setting.shape, plan.training.stack, setting.tensor) // setting.tensor
    head = None
    if stage.head:
        head = _measured(head_part(setting, vocabulary, head_variant(plan), keeps), 0, point)
    ends = ends_shard(plan, stage).dense
    return Frame(
        plan=plan,
        stage=stage,
        setting=setting,
        point=point,
        vocabulary=vocabulary,
        variants=variants,
        layers=layers,
        kept_below=_kept_below(plan, variants, layers),
        head=head,
        chunks_in_flight=chunks_in_flight(plan, stage),
        ends_elements=sum(ends),
        largest_end=max(ends, default=0),
    )


def embedding_gradient(frame: Frame) -> int:
    """Bytes of the embedding's gradient on this rank, 0 where it is frozen."""
    if not embedding_trained(frame.plan) or not frame.stage.embedding:
        return 0
    return frame.vocabulary * frame.setting.shape.hidden_size * frame.setting.parameters
