"""The buffers of torch's `fully_shard`."""

from collections.abc import Callable, Iterable

from ftspec.core.record import record
from ftspec.memory.communication.buffers import Buffers
from ftspec.memory.holdings import gathered_elements, replicas, tensorwise_part
from ftspec.memory.numbers import largest
from ftspec.memory.shard import Shard
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


def _largest(frame: Frame, elements: Callable[[Shard], int], *parts_of_layer: Iterable[Shard]) -> int:
    found = 0
    for shards in zip(*parts_of_layer, strict=True):
        found = largest(found, sum(elements(shard) for shard in shards))
    return found


def groups_of(frame: Frame) -> Groups:
    """The groups of a stage; weights are gathered in compute's type, frozen ones and adapters too.

    Source: torch/distributed/fsdp/_fully_shard/_fsdp_collectives.py, `foreach_all_gather` and `foreach_reduce`: whole
    rows on each rank, padded.
    """
    plan, section, degrees = frame.plan, frame.section, replicas(frame.plan)
    shared = degrees.dense > 1
    width, reduced = shared * frame.setting.parameters, shared * reduced_width(frame)
    kinds = [frame.kinds.each[kind] for kind in section.outline.kinds]
    trained = [trained_layer(plan, kind) for kind in kinds]
    frozen = [frozen_layer(plan, kind) for kind in kinds]
    ends = (section.embedding, section.head)
    trained_root, frozen_root = trained_ends(plan, *ends), frozen_ends(plan, *ends)

    def gathered(shard: Shard) -> int:
        return gathered_elements(shard, degrees)

    return Groups(
        root=(gathered(trained_root) + gathered(frozen_root)) * width,
        layer=_largest(frame, gathered, trained, frozen) * width,
        root_reduced=gathered(trained_root) * reduced,
        root_part=tensorwise_part(trained_root, degrees, by_rows=True) * reduced,
        layer_reduced=_largest(frame, gathered, trained) * reduced,
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
