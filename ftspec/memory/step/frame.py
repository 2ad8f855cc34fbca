"""One stage's step in numbers: its parts evaluated for the plan's micro-batch."""

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, NamedTuple, TypeVar, cast

from ftspec.core.record import record
from ftspec.memory.kinds import Kinds
from ftspec.memory.numbers import choose, largest, parts, smallest, weighted, when
from ftspec.memory.outline import Section
from ftspec.memory.shard import MEGATRON_STACKS, Shard, cuts_of, ends_shard, layer_shard, padded_vocabulary
from ftspec.memory.step.form import Point
from ftspec.memory.step.measure import Part, head_part, layer_part
from ftspec.memory.step.method import compute_width, embedding_trained, head_variant, setting_of
from ftspec.memory.step.selective import kept_by_operator
from ftspec.memory.step.setting import Setting, Variant
from ftspec.memory.step.tape import Bytes, peak_at
from ftspec.memory.trained_width import gradient_width
from ftspec.plan.model import Plan

Work = TypeVar("Work", bound=Callable[..., Any])


class Measured(NamedTuple):
    """A part in bytes: what it keeps (and what of that grows with pairs of positions), what is stored of it between
    its forward and its backward pass, its input, the casts of its weights, the gradients that it makes, and its peaks;
    and the elements of its weights on this rank.
    """

    elements: int
    kept: int
    stored: int
    first: int
    casts: int
    gradient: int
    keeps_first: bool
    forward: Bytes | None
    recompute: Bytes | None
    backward: Bytes | None


@record
class Shared:
    """What all stages of a plan share: the setting of its layers, its micro-batch, and whether gradients build up."""

    plan: Plan
    kinds: Kinds
    setting: Setting
    point: Point
    keeps_gradients: bool
    measured: dict[int, Measured]

    def layer(self, kind: int) -> Measured:
        """A layer of a kind, evaluated once."""
        found = self.measured.get(kind)
        if found is None:
            variant, number = self.kinds.each[kind]
            part = layer_part(self.setting, variant, self.keeps_gradients)
            elements = layer_shard(self.setting.shape, number, cuts_of(self.plan.parallelism)).elements
            found = self.measured[kind] = _measured(self.plan, part, variant, elements, self.point)
        return found


class Frame:
    """One stage of one plan: `layers` are its kinds of layers, as its outline counts them."""

    def __init__(self, shared: Shared, section: Section) -> None:
        self.plan, self.kinds = shared.plan, shared.kinds
        self.setting, self.point = shared.setting, shared.point
        self.section, self.outline = section, section.outline
        self.layers = [shared.layer(kind) for kind in section.outline.kinds]
        vocabulary = padded_vocabulary(self.setting.shape, self.plan.training.stack, self.setting.tensor)
        self.vocabulary = vocabulary // self.setting.tensor
        self.head: Measured | None = None
        self.worked_out: dict[object, Any] = {}
        if section.head:
            part = head_part(self.setting, self.vocabulary, head_variant(self.plan), shared.keeps_gradients)
            self.head = _measured(self.plan, part, Variant(), 0, self.point)

    @cached_property
    def one_micro_batch(self) -> int:
        """Bytes that a stage keeps of one micro-batch: of all its layers."""
        return weighted(self.outline.stored, [layer.stored for layer in self.layers])

    @cached_property
    def largest_layer(self) -> int:
        """Elements of the stage's largest layer on this rank."""
        return max((layer.elements for layer in self.layers), default=0)

    @cached_property
    def ends(self) -> Shard:
        """The tensors of embedding, final norm and head on this rank."""
        return ends_shard(self.plan, self.section.embedding, self.section.head)

    @cached_property
    def embedding_gradient(self) -> int:
        """Bytes of the embedding's gradient on this rank, 0 where it is frozen."""
        if not embedding_trained(self.plan) or not self.section.embedding:
            return 0
        return self.vocabulary * self.setting.shape.hidden_size * self.setting.parameters


def once_a_frame(work: Work) -> Work:
    """Work something out about a frame once, however many terms ask for it."""

    @wraps(work)
    def remembered(frame: Frame, *rest: Any, **named: Any) -> Any:
        key = (work, rest, *named.values())
        if key not in frame.worked_out:
            frame.worked_out[key] = work(frame, *rest, **named)
        return frame.worked_out[key]

    return cast(Work, remembered)


def point_of(plan: Plan) -> Point:
    """The lengths of a micro-batch on one rank: the sequence is divided over the context group, and under sequence
    parallelism the residual stream over the tensor group too.
    """
    training, layout = plan.training, plan.parallelism
    positions = parts(training.sequence_length, largest(layout.context, 1))
    tokens = training.micro_batch_size * positions
    shards = max(1, layout.tensor) if layout.sequence_parallel else 1
    several, divided = training.micro_batch_size > 1, layout.context > 1
    anew = several + divided * (plan.megatron.context_exchange == "a2a") > 0
    whole = when(divided, training.micro_batch_size * training.sequence_length)
    return Point(
        tokens=tokens,
        shard_tokens=parts(tokens, shards),
        positions=positions,
        pairs=tokens * training.sequence_length,
        mixed=when(anew, tokens),
        exchanged=when(divided, tokens),
        gathered=whole,
        gathered_mixed=when(several, whole),
    )


def chunks_in_flight(plan: Plan, pipeline_stage: int) -> int:
    """Micro-batches whose activations a stage holds, each counted once for each of its chunks of layers.

    1F1B: one for each stage from here on (Narayanan et al. 2021, section 2.2). Interleaved: the warm-up's forward
    passes and one more (megatron/core/pipeline_parallel/schedules.py, `get_pp_rank_microbatches`). GPipe: all.
    """
    layout, steps = plan.parallelism, largest(plan.training.gradient_accumulation_steps, 1)
    stages, chunks = largest(layout.pipeline, 1), max(1, layout.virtual_pipeline)
    left = stages - pipeline_stage
    if layout.schedule == "gpipe":
        found = steps * chunks
    elif chunks > 1:
        found = smallest(2 * (left - 1) + (chunks - 1) * stages + 1, steps * chunks)
    else:
        found = smallest(left, steps)
    return choose(stages > 1, found, chunks)  # type: ignore[no-any-return]


def keeps_gradients(plan: Plan) -> bool:
    """Whether gradients build up during the backward pass; otherwise they are added to buffers that exist already, as
    those of FSDP2 in a pipeline are unless the reduction has another type
    (torch/distributed/fsdp/_fully_shard/_fsdp_param.py, `to_accumulated_grad_if_needed`).
    """
    if plan.training.stack in MEGATRON_STACKS:
        return False
    if plan.training.stack == "deepspeed" and plan.parallelism.zero_stage >= 2:
        return False  # each goes into a bucket as soon as it is made (stage_1_and_2.py and stage3.py, the hooks)
    if plan.training.stack == "fsdp2":
        return plan.parallelism.pipeline <= 1 or reduced_width(plan) != compute_width(plan)
    return plan.training.gradient_accumulation_steps <= 1


def reduced_width(plan: Plan) -> int:
    """Bytes of a gradient in FSDP2's reduction and after it: adapters are reduced as wide as they are held."""
    return gradient_width(plan)


def _measured(plan: Plan, part: Part, variant: Variant, elements: int, point: Point) -> Measured:
    kept, first = part.kept.at(point), part.first.at(point)
    return Measured(
        elements=elements,
        kept=kept,
        stored=0 if variant.silent else _stored(plan, part, variant, kept, point),
        first=first,
        casts=part.casts.fixed,
        gradient=part.gradient.at(point),
        keeps_first=part.keeps_first,
        forward=peak_at(part.forward, point),
        recompute=peak_at(part.recompute, point) if variant.recomputed else None,
        backward=peak_at(part.moments, point),
    )


def _stored(plan: Plan, part: Part, variant: Variant, kept: int, point: Point) -> int:
    """Bytes that a layer keeps of one micro-batch.

    Without checkpointing: every tensor that an operation saves. With full checkpointing: the layer's input
    (torch/utils/checkpoint.py). With selective: all but what grows with pairs of positions (Korthikanti et al. 2022,
    section 5); in Megatron all but what lies inside the modules that are named; under FSDP2, its input and what a
    policy keeps by operator.
    """
    checkpointing = plan.training.activation_checkpointing
    if checkpointing == "full":
        return part.first.at(point) if variant.recomputed else kept
    if checkpointing == "selective" and part.beside is not None:
        return part.beside.at(point)
    if checkpointing == "selective" and plan.training.stack == "fsdp2":
        return (part.first + kept_by_operator(setting_of(plan), variant)).at(point)
    return kept - (part.kept.pair * point.pairs if checkpointing == "selective" else 0)


def shared_by_stages(plan: Plan, kinds: Kinds, builds_up: bool) -> Shared:
    """What the stages of a plan share; `builds_up`: `keeps_gradients(plan)`."""
    return Shared(plan, kinds, setting_of(plan), point_of(plan), builds_up, {})
