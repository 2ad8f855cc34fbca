"""The buffers of torch's `fully_shard`."""

from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.communication.torch_pipeline import received_ahead
from ftspec.memory.holdings import gathered_elements, replicas, tensorwise_part
from ftspec.memory.kinds import Kind
from ftspec.memory.numbers import largest, parts, weighted, when
from ftspec.memory.quantization import packed_matrices
from ftspec.memory.shard import NOTHING, Shard, cuts_of
from ftspec.memory.step.frame import Frame, once_a_frame, reduced_width
from ftspec.memory.trained import frozen_ends, frozen_layer, trained_ends, trained_layer


class Groups(NamedTuple):
    """`fully_shard` makes a group of each layer and one of the root (embedding, norm, head). Bytes: the root, the
    largest layer, a layer of each kind and all layers when gathered; and in a reduce-scatter its input, of the root
    with the rank's part of it, and of the largest layer.
    """

    root: int
    layer: int
    kinds: tuple[int, ...]
    layers: int
    root_reduced: int
    root_part: int
    layer_reduced: int


def _largest(numbers: Iterable[int]) -> int:
    return reduce(largest, numbers, 0)


def _packed(frame: Frame, kind: Kind) -> Shard:
    """The 4-bit matrices of a layer: they are gathered as they are held, by 4 in two bytes."""
    if not frame.setting.quantized:
        return NOTHING
    return packed_matrices(frame.setting.shape, kind.layer, cuts_of(frame.plan.parallelism))


@once_a_frame
def groups_of(frame: Frame) -> Groups:
    """The groups of a stage; weights are gathered in compute's type, frozen ones and adapters too.

    Source: torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_all_gather` and `foreach_reduce`: whole
    rows on each rank, padded.
    """
    plan, section, degrees = frame.plan, frame.section, replicas(frame.plan)
    shared = degrees.dense > 1
    width, reduced = shared * frame.setting.parameters, shared * reduced_width(frame.plan)
    kinds = [frame.kinds.each[kind] for kind in section.outline.kinds]
    ends = (section.embedding, section.head)
    trained_root, frozen_root = trained_ends(plan, *ends), frozen_ends(plan, *ends)

    def gathered(shard: Shard) -> int:
        return gathered_elements(shard, degrees)

    def in_bytes(kind: Kind) -> int:
        packed = _packed(frame, kind)
        whole = gathered(trained_layer(plan, kind)) + gathered(frozen_layer(plan, kind)) - gathered(packed)
        return whole * width + shared * parts(packed.elements, 2)

    layers = tuple(in_bytes(kind) for kind in kinds)
    return Groups(
        root=(gathered(trained_root) + gathered(frozen_root)) * width,
        layer=_largest(layers),
        kinds=layers,
        layers=weighted(section.outline.counts, layers),
        root_reduced=gathered(trained_root) * reduced,
        root_part=tensorwise_part(trained_root, degrees, by_rows=True) * reduced,
        layer_reduced=_largest(gathered(trained_layer(plan, kind)) for kind in kinds) * reduced,
    )


def fsdp2_buffers(frame: Frame) -> Buffers:
    """The root stays gathered from its forward to its backward; in a layer's forward the gather buffer, from which it
    was copied, is still there, and the last layer's until the root's forward is done; in backward a layer is gathered,
    the next one ahead of time, and the gradients of the last one are in their reduce-scatter, until a layer is done
    that has none to reduce.

    Stage 2 is `reshard_after_forward=False`: all layers stay gathered until each one's own backward is done, and none
    is gathered in backward, the last one ahead of the loss neither.

    In a pipeline a layer stays gathered after its backward and nothing is reduced before the last micro-batch; the
    loss is outside of the root's forward.

    Source: torch/distributed/fsdp/_fully_shard/_fsdp_param_group.py, `wait_for_unshard`, `pre_backward`,
    `post_backward`; _fsdp_state.py, `_post_forward`; torch/distributed/pipelining/stage.py,
    `backward_maybe_with_nosync`.
    """
    groups, staged = groups_of(frame), frame.plan.parallelism.pipeline > 1
    alone = frame.plan.parallelism.pipeline <= 1
    reducing = when(alone, groups.layer_reduced)
    frozen_below = any(not frame.kinds.each[kind].variant.trained for kind in frame.outline.kinds)
    others = groups.layers - groups.layer if stays_gathered(frame) else 0
    return Buffers(
        always=received_ahead(frame),
        forward=groups.root + others + 2 * groups.layer,
        ends=groups.root + when(alone, groups.layer) + (groups.layers if stays_gathered(frame) else 0),
        layer=groups.root + groups.layer + others,
        before=0 if stays_gathered(frame) else groups.layer,
        behind=reducing,
        embedding=groups.root + (0 if frozen_below else reducing) + when(staged, groups.layers),
        above=_left_behind(frame, groups),
        freed_before_loss=when(alone, groups.layer) if stays_gathered(frame) else 0,
    )


def stays_gathered(frame: Frame) -> bool:
    """Whether weights stay gathered from their forward to their backward."""
    return frame.plan.parallelism.zero_stage == 2


def _left_behind(frame: Frame, groups: Groups) -> tuple[int, ...]:
    """What a layer that has run backward leaves gathered, by kind: itself in a pipeline. Of layers that stay gathered
    it frees itself, though not in a pipeline.
    """
    alone, staged = frame.plan.parallelism.pipeline <= 1, frame.plan.parallelism.pipeline > 1
    if stays_gathered(frame):
        return tuple(-when(alone, layer) for layer in groups.kinds)
    return () if staged is False else tuple(when(staged, layer) for layer in groups.kinds)


def gathered_root(frame: Frame) -> int:
    """Bytes of the largest gather, that of embedding, final norm and head together."""
    return groups_of(frame).root
