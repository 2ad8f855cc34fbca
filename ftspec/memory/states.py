"""Parameters, gradients, master copies and optimizer states of one rank: what lives through the whole step."""

from typing import NamedTuple

from ftspec.memory.holdings import Degrees, Holding, frozen_holding, replicas, trained_holding
from ftspec.memory.kinds import Kinds
from ftspec.memory.numbers import parts
from ftspec.memory.optimizers.layer_wise import is_layer_wise, layer_wise_shares
from ftspec.memory.optimizers.pieces import Updated
from ftspec.memory.optimizers.states import state_bytes
from ftspec.memory.optimizers.width import master_width
from ftspec.memory.outline import Section
from ftspec.memory.quantization import packed_of
from ftspec.memory.shard import MEGATRON_STACKS
from ftspec.memory.trained_width import gradient_width, trained_width
from ftspec.plan.model import DTYPE_BYTES, Plan

DEEPSPEED_ALIGNMENT = 2
"""`nccl_start_alignment_factor` (deepspeed/runtime/zero/stage_1_and_2.py, `DeepSpeedZeroOptimizer.__init__`)."""


class States(NamedTuple):
    """Bytes on one rank. `gradients` is what is held once the whole backward pass is done."""

    parameters: int
    gradients: int
    master_parameters: int
    optimizer_states: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.parameters + self.gradients + self.master_parameters + self.optimizer_states


class Held(NamedTuple):
    """Elements of a rank: of the parameters, of the accumulated gradients, and of what the optimizer updates."""

    parameters: int
    gradients: int
    updated: int


def flat_elements(holding: Holding, degrees: Degrees) -> tuple[int, int]:
    """Elements of the padded flat buffers of a rank, and of its own part of them.

    Source: deepspeed/runtime/zero/stage_1_and_2.py, `flatten_dense_tensors_aligned`: padded to 2 × replicas.
    """
    whole = part = 0
    for elements, degree in ((holding.dense, degrees.dense), (holding.expert, degrees.expert)):
        multiple = DEEPSPEED_ALIGNMENT * degree
        padded = parts(elements, multiple) * multiple
        whole, part = whole + padded, part + padded // degree
    return whole, part


def _deepspeed_held(zero_stage: int, holding: Holding, degrees: Degrees) -> Held:
    if zero_stage == 3:
        return Held(holding.part, holding.part, holding.part)
    if zero_stage == 0:
        return Held(holding.elements, holding.elements, holding.elements)
    whole, part = flat_elements(holding, degrees)
    return Held(whole, part if zero_stage == 2 else holding.elements, part)


def held_elements(plan: Plan, holding: Holding, degrees: Degrees) -> Held:
    """What the stack's sharding leaves on a rank."""
    stack, zero_stage = plan.training.stack, plan.parallelism.zero_stage
    if stack in MEGATRON_STACKS:
        sharded = plan.parallelism.distributed_optimizer or zero_stage >= 1
        updated = flat_elements(holding, degrees)[1] if sharded else holding.elements
        return Held(holding.elements, holding.elements, updated)
    if stack == "deepspeed":
        return _deepspeed_held(zero_stage, holding, degrees)
    if stack == "fsdp2":
        return Held(holding.part, holding.part, holding.part)
    return Held(holding.elements, holding.elements, holding.elements)


def updated_of(plan: Plan, kinds: Kinds, section: Section) -> Updated:
    """What the optimizer of the stage's fullest rank updates."""
    degrees = replicas(plan)
    return _updated(plan, kinds, section, degrees, trained_holding(plan, kinds, section, degrees))


def _updated(plan: Plan, kinds: Kinds, section: Section, degrees: Degrees, holding: Holding) -> Updated:
    if is_layer_wise(plan):
        elements = sum(layer_wise_shares(plan, kinds, section, degrees))
    else:
        elements = held_elements(plan, holding, degrees).updated
    return Updated(plan, kinds, section, degrees, elements, holding.tensors)


def shards_parameters(plan: Plan) -> bool:
    """Whether each rank holds only its part of the weights."""
    stack = plan.training.stack
    return stack == "fsdp2" or (stack == "deepspeed" and plan.parallelism.zero_stage == 3)


def _frozen_bytes(plan: Plan, kinds: Kinds, section: Section, degrees: Degrees) -> int:
    """Weights that are held and never updated: sharded where the stack shards parameters, packed under QLoRA."""
    method = plan.training.method
    if method.kind == "full":
        return 0
    frozen, sharded = frozen_holding(plan, kinds, section, degrees), shards_parameters(plan)
    elements = frozen.part if sharded else frozen.elements
    width = DTYPE_BYTES[plan.precision.parameters]
    if method.kind != "qlora":
        return elements * width
    packed = packed_of(plan, kinds, section, degrees, sharded)
    return packed.held + (elements - packed.elements) * width


def stage_states(plan: Plan, kinds: Kinds, section: Section) -> States:
    """The states of the stage's fullest rank."""
    degrees, width = replicas(plan), trained_width(plan)
    holding = trained_holding(plan, kinds, section, degrees)
    held = held_elements(plan, holding, degrees)
    updated = _updated(plan, kinds, section, degrees, holding)
    master = plan.precision.master_parameters == "fp32" and width != 4
    return States(
        parameters=held.parameters * width + _frozen_bytes(plan, kinds, section, degrees),
        gradients=held.gradients * gradient_width(plan),
        master_parameters=updated.elements * master_width(plan) if master else 0,
        optimizer_states=state_bytes(updated),
    )
