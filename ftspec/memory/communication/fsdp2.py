"""The buffers of torch's `fully_shard`."""

from collections.abc import Iterable
from functools import reduce

from ftspec.core.record import record
from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.holdings import gathered_elements, replicas, tensorwise_part
from ftspec.memory.kinds import Kind
from ftspec.memory.numbers import largest, parts
from ftspec.memory.quantization import packed_matrices
from ftspec.memory.shard import NOTHING, Shard, cuts_of
from ftspec.memory.step.frame import Frame
from ftspec.memory.trained import frozen_ends, frozen_layer, trained_ends, trained_layer
from ftspec.plan.model import DTYPE_BYTES


@record
class Groups:
    """`fully_shard` makes a group of each layer and one of the root (embedding, norm, head). Bytes: the root and the
    largest layer when gathered, and in a reduce-scatter its input; the root's part of that.
    """

    root: int
    layer: int
    root_reduced: int
    root_part: int
    layer_reduced: int


def reduced_width(frame: Frame) -> int:
    """Bytes of a gradient in a reduction and after it: adapters are reduced as wide as they are held."""
    method = frame.plan.training.method
    adapted = method.kind in ("lora", "qlora")
    return DTYPE_BYTES[method.adapter_dtype if adapted else frame.plan.precision.gradients]


def _largest(numbers: Iterable[int]) -> int:
    return reduce(largest, numbers, 0)


def _packed(frame: Frame, kind: Kind) -> Shard:
    """The 4-bit matrices of a layer: they are gathered as they are held, by 4 in two bytes."""
    if not frame.setting.quantized:
        return NOTHING
    return packed_matrices(frame.setting.shape, kind.layer, cuts_of(frame.plan.parallelism))


def groups_of(frame: Frame) -> Groups:
    """The groups of a stage; weights are gathered in compute's type, frozen ones and adapters too.

    Source: torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_all_gather` and `foreach_reduce`: whole
    rows on each rank, padded.
    """
    plan, section, degrees = frame.plan, frame.section, replicas(frame.plan)
    shared = degrees.dense > 1
    width, reduced = shared * frame.setting.parameters, shared * reduced_width(frame)
    kinds = [frame.kinds.each[kind] for kind in section.outline.kinds]
    ends = (section.embedding, section.head)
    trained_root, frozen_root = trained_ends(plan, *ends), frozen_ends(plan, *ends)

    def gathered(shard: Shard) -> int:
        return gathered_elements(shard, degrees)

    def in_bytes(kind: Kind) -> int:
        packed = _packed(frame, kind)
        whole = gathered(trained_layer(plan, kind)) + gathered(frozen_layer(plan, kind)) - gathered(packed)
        return whole * width + shared * parts(packed.elements, 2)

    return Groups(
        root=(gathered(trained_root) + gathered(frozen_root)) * width,
        layer=_largest(in_bytes(kind) for kind in kinds),
        root_reduced=gathered(trained_root) * reduced,
        root_part=tensorwise_part(trained_root, degrees, by_rows=True) * reduced,
        layer_reduced=_largest(gathered(trained_layer(plan, kind)) for kind in kinds) * reduced,
    )


def fsdp2_buffers(frame: Frame) -> Buffers:
    """The root stays gathered from its forward to its backward; in a layer's forward the gather buffer, from which it
    was copied, is still there, and the last layer's until the root's forward is done; in backward a layer is gathered,
    the next one ahead of time, and the gradients of the last one are in their reduce-scatter.

    Source: torch/distributed/fsdp/_fully_shard/_fsdp_param_group.py, `wait_for_unshard`, `pre_backward`,
    `post_backward`; _fsdp_state.py, `_post_forward`.
    """
    groups = groups_of(frame)
    return Buffers(
        forward=groups.root + 2 * groups.layer,
        ends=groups.root + groups.layer,
        layer=groups.root + groups.layer,
        before=groups.layer,
        behind=groups.layer_reduced,
        embedding=groups.root + groups.layer_reduced,
    )


def gathered_root(frame: Frame) -> int:
    """Bytes of the largest gather, that of embedding, final norm and head together."""
    return groups_of(frame).root
