"""Which of DeepSpeed's optimizers wraps the job's own, and what it works on."""

from typing import Literal, NamedTuple

from ftspec.memory.holdings import Holding, replicas, trained_holding
from ftspec.memory.kinds import Kind
from ftspec.memory.numbers import choose, smallest
from ftspec.memory.optimizers import adam, sgd
from ftspec.memory.quantization import as_held, packed_matrices
from ftspec.memory.shard import Shard, cuts_of
from ftspec.memory.states import flat_elements
from ftspec.memory.step.frame import Frame, once_a_frame
from ftspec.memory.trained import frozen_ends, frozen_layer, trained_ends, trained_layer, without
from ftspec.memory.trained_width import gradient_width, trained_width
from ftspec.plan.model import Plan

Engine = Literal["plain", "fp16", "bf16", "zero_1", "zero_2", "zero_3"]


def engine_of(plan: Plan) -> Engine:
    """The wrapper that `deepspeed.initialize` picks (deepspeed/runtime/engine.py, `_do_optimizer_sanity_check`).

    `fp16` is FP16_Optimizer, for bf16 too; `bf16` is BF16_Optimizer: ZeRO 1 with fp32 gradients of bf16 parameters. A
    pipeline of bf16 without ZeRO has it too, which is not told apart here.
    """
    precision, layout = plan.precision, plan.parallelism
    half = precision.parameters != "fp32"
    if layout.zero_stage >= 2:
        return "zero_3" if layout.zero_stage == 3 else "zero_2"
    if precision.parameters == "bf16" and layout.zero_stage == 1:
        wide = precision.gradients == "fp32" and layout.offload_optimizer == "none"
        return "bf16" if wide else "zero_1"
    return "zero_1" if layout.zero_stage == 1 else "fp16" if half else "plain"


class Trained(NamedTuple):
    """What the engine of one rank works on. Elements: of all trained tensors, of the largest one, of the largest one of
    a layer, and of the rank's own part of all. Bytes an element: of a gradient as autograd makes it, as it is
    accumulated, and of the master copy. `ranks` reduce gradients together.
    """

    engine: Engine
    elements: int
    largest: int
    in_layer: int
    part: int
    made: int
    accumulated: int
    master: int
    ranks: int


def _tensors(shards: list[Shard]) -> list[int]:
    return [tensor.elements for shard in shards for tensor, _ in (*shard.dense, *shard.expert)]


def trained_shards(frame: Frame) -> list[Shard]:
    """The trained tensors of a layer of each kind, and of the ends."""
    plan, section = frame.plan, frame.section
    layers = [trained_layer(plan, frame.kinds.each[kind]) for kind in section.outline.kinds]
    return [*layers, trained_ends(plan, section.embedding, section.head)]


def frozen_shards(frame: Frame) -> list[Shard]:
    """The frozen tensors of a layer of each kind, and of the ends; packed ones as they are held."""
    plan, section = frame.plan, frame.section
    layers = [_frozen_layer(frame, frame.kinds.each[kind]) for kind in section.outline.kinds]
    return [*layers, frozen_ends(plan, section.embedding, section.head)]


def _frozen_layer(frame: Frame, kind: Kind) -> Shard:
    whole = frozen_layer(frame.plan, kind)
    if not frame.setting.quantized:
        return whole
    packed = packed_matrices(frame.setting.shape, kind.layer, cuts_of(frame.plan.parallelism))
    left, held = without(whole, packed), as_held(packed)
    return Shard((*left.dense, *held.dense), left.expert)


def largest_tensor(shards: list[Shard]) -> int:
    """Elements of the largest tensor."""
    return max(_tensors(shards), default=0)


@once_a_frame
def trained_of(frame: Frame) -> Trained:
    """What the engine works on in a stage."""
    plan, degrees = frame.plan, replicas(frame.plan)
    holding = trained_holding(plan, frame.kinds, frame.section, degrees)
    engine, shards, made = engine_of(plan), trained_shards(frame), trained_width(plan)
    return Trained(
        engine=engine,
        elements=holding.elements,
        largest=largest_tensor(shards),
        in_layer=largest_tensor(shards[:-1]) or largest_tensor(shards),
        part=_own_part(engine, holding, frame),
        made=made,
        accumulated=gradient_width(plan),
        master=4 if plan.precision.master_parameters == "fp32" else made,
        ranks=degrees.dense,
    )


def _own_part(engine: Engine, holding: Holding, frame: Frame) -> int:
    if engine == "zero_3":
        return holding.part
    return flat_elements(holding, replicas(frame.plan))[1] if engine in ("bf16", "zero_1", "zero_2") else 0


def whole_tensors_of_part(trained: Trained) -> int:
    """Elements of the tensors of which a rank owns some, whole: ZeRO 1 and 2 copy whole gradients into the buffer of
    the partition, though of the last one a part belongs to a neighbour (deepspeed/runtime/zero/stage_1_and_2.py,
    `copy_grads_in_partition`). Embedding and head lie at the ends: they are divided only if larger than a partition.
    """
    divided = choose(trained.part >= trained.largest, trained.in_layer, trained.largest)
    return smallest(trained.elements, trained.part + divided)


def uses_torch_kernel(plan: Plan) -> bool:
    """Whether the optimizer is torch's, one tensor after the other: on a CPU, or where fused kernels are refused."""
    return plan.hardware.accelerator.vendor == "cpu" or not plan.training.optimizer.fused


def kernel_temporaries(plan: Plan, elements: int) -> int:
    """What torch's optimizers make while they step one tensor of so many elements; DeepSpeed's fused Adam and Lion and
    bitsandbytes' kernels work in place. SGD is torch's always (deepspeed/runtime/engine.py,
    `_configure_basic_optimizer`).
    """
    kind = plan.training.optimizer.kind
    if kind == "sgd":
        return sgd.tensor_temporaries(plan, elements)
    torch_s = kind in ("adam", "adamw") and uses_torch_kernel(plan)
    return adam.tensor_temporaries(plan, elements) if torch_s else 0
