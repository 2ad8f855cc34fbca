"""Buffers of communication: gathered parameters, reduced gradients, what a pipeline receives."""

from ftspec.core.record import record
from ftspec.memory.facts import fact
from ftspec.memory.shard import MEGATRON_STACKS
from ftspec.memory.states import replicas
from ftspec.memory.step.frame import Frame
from ftspec.memory.trained import trained_shard
from ftspec.plan.model import DTYPE_BYTES


@record
class Buffers:
    """Bytes: `always`; at the end of the forward pass and in the loss (`ends`); while a layer runs backward (`layer`),
    that of the layer before it (`before`), and that of the layer behind it (`behind`); in the embedding's backward;
    and of the root's reduce-scatter, input and output.
    """

    always: int = 0
    ends: int = 0
    layer: int = 0
    before: int = 0
    behind: int = 0
    embedding: int = 0
    root_reduce: int = 0
    root_shard: int = 0

    def in_layer(self, index: int, layers: int) -> int:
        """While layer `index` of `layers` runs backward: the next one is gathered ahead, the last one's gradients are
        still being reduced.
        """
        return self.always + self.layer + (self.before if index > 0 else 0) + (self.behind if index < layers - 1 else 0)


def buffers_of(frame: Frame) -> Buffers:
    """The buffers of a stage."""
    stack = frame.plan.training.stack
    if stack == "fsdp2":
        return _fsdp2(frame)
    if stack == "deepspeed":
        return _deepspeed(frame)
    if stack in MEGATRON_STACKS:
        return Buffers(always=_received(frame))
    return Buffers(always=_ddp_buckets(frame))


def _layer_elements(frame: Frame) -> int:
    """Elements of the stage's largest layer on this rank."""
    return max((measured.elements for measured in frame.layers.values()), default=0)


def _fsdp2(frame: Frame) -> Buffers:
    """`fully_shard` of each layer and of the root (torch/distributed/fsdp/_fully_shard/_fsdp_param_group.py): the root
    (embedding, norm, head) stays gathered from its forward to its backward; a layer's gather buffer outlives its
    forward until the next gather; in backward a layer is gathered, the next one ahead of time, and the gradients of
    the last one are in their reduce-scatter.
    """
    width, reduced = frame.setting.parameters, DTYPE_BYTES[frame.plan.precision.gradients]
    if replicas(frame.plan).dense <= 1:
        return Buffers()
    root, layer = frame.ends_elements * width, _layer_elements(frame)
    return Buffers(
        ends=root + layer * width,
        layer=root + layer * width,
        before=layer * width,
        behind=layer * reduced,
        embedding=root + layer * reduced,
        root_reduce=frame.ends_elements * reduced,
        root_shard=-(-frame.ends_elements // replicas(frame.plan).dense) * reduced,
    )


def _deepspeed(frame: Frame) -> Buffers:
    """ZeRO's buckets, whole from the first backward on; under ZeRO 3 what is gathered of parameters
    (deepspeed/runtime/zero/partitioned_param_coordinator.py): the running layer and what is fetched ahead of it, no
    more than the live limit.
    """
    plan = frame.plan
    pipeline, stage = _received(frame), plan.parallelism.zero_stage
    degrees = replicas(plan)
    if stage == 0 or degrees.dense <= 1:
        return Buffers(always=pipeline)
    width = DTYPE_BYTES[plan.precision.gradients]
    trained = trained_shard(plan, frame.stage)
    bucket = fact("deepspeed", "reduce_bucket_elements") * width if trained.elements else 0
    if stage < 3:
        return Buffers(always=pipeline + bucket)
    held = frame.setting.parameters
    layer = min(_layer_elements(frame), fact("deepspeed", "live_elements"))
    ahead = min(fact("deepspeed", "prefetch_elements"), _layer_elements(frame))
    end = frame.largest_end * held
    return Buffers(always=pipeline + bucket, ends=end, layer=layer * held, before=ahead * held, embedding=end)


def _received(frame: Frame) -> int:
    """Activations received from and gradients sent to the neighbour stages, one micro-batch each
    (megatron/core/pipeline_parallel/p2p_communication.py).
    """
    if frame.plan.parallelism.pipeline <= 1:
        return 0
    return 2 * frame.point.shard_tokens * frame.setting.shape.hidden_size * frame.setting.compute


def _ddp_buckets(frame: Frame) -> int:
    """DDP copies gradients into flat buckets, all of them, unless `gradient_as_bucket_view` is set
    (torch/csrc/distributed/c10d/reducer.cpp, `initialize_buckets`).
    """
    if replicas(frame.plan).dense <= 1:
        return 0
    return trained_shard(frame.plan, frame.stage).elements * DTYPE_BYTES[frame.plan.precision.gradients]
