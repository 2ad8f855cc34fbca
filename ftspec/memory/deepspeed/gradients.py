"""Gradients in DeepSpeed's engine, from the first micro-batch to the optimizer's step."""

from typing import NamedTuple

from ftspec.memory.deepspeed.buckets import spills
from ftspec.memory.deepspeed.engine import Trained
from ftspec.memory.numbers import largest, when
from ftspec.plan.model import Plan


class Accumulated(NamedTuple):
    """Bytes of accumulated gradients: `before` the backward pass, in it (`during`, beside those that build up), after
    it (`all`), and what is `left` for the optimizer's step; `build_up`: whether each tensor's comes when it is made.
    """

    before: int
    during: int
    all: int
    left: int
    build_up: bool


def accumulated(plan: Plan, trained: Trained, held: int, keeps_gradients: bool) -> Accumulated:
    """`held`: what the states count as accumulated on this rank."""
    again = plan.training.gradient_accumulation_steps > 1
    offloaded = plan.parallelism.offload_optimizer != "none"
    if trained.engine == "zero_3":
        return Accumulated(held, held, held, held, build_up=False)
    if trained.engine == "zero_2":
        return _partitioned(plan, trained, again)
    if trained.engine == "bf16":
        return _beside_fp32(trained, again, keeps_gradients)
    whole = trained.elements * trained.accumulated
    before = when(again, whole)
    left = whole if trained.engine in ("plain", "fp16") else when(not offloaded, own_gradients(trained))
    return Accumulated(before, before, whole, left, build_up=keeps_gradients)


def own_gradients(trained: Trained) -> int:
    """The accumulated gradients of the rank's own part."""
    return trained.part * trained.accumulated


def _beside_fp32(trained: Trained, again: bool, keeps_gradients: bool) -> Accumulated:
    """BF16_Optimizer: fp32 gradients of everything, always; autograd's own stay until the step
    (deepspeed/runtime/bf16_optimizer.py, `_setup_for_real_optimizer`, `_update_hp_grad`, `zero_grad`).
    """
    fixed = trained.part * trained.ranks * trained.accumulated
    made = trained.elements * trained.made
    before = fixed + when(again, made)
    return Accumulated(before, before, fixed + made, fixed + made, build_up=keeps_gradients)


def _partitioned(plan: Plan, trained: Trained, again: bool) -> Accumulated:
    """ZeRO 2: the partition's own, from the first full bucket on; fp32 ones are on the GPU even if the optimizer is
    offloaded (deepspeed/runtime/zero/stage_1_and_2.py, `copy_grads_in_partition`).
    """
    offloaded = plan.parallelism.offload_optimizer != "none" and trained.accumulated <= trained.made
    own = when(not offloaded, own_gradients(trained))
    before = when(again, own)
    return Accumulated(before, largest(before, when(spills(plan, trained), own)), own, own, build_up=False)
