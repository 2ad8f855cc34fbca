"""Megatron's own figure for the memory of weights and optimizer, for whole plans."""

from collections.abc import Sequence

from ftspec.backends.megatron.argument import tokens
from ftspec.backends.megatron.compilation import planned_arguments
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.plan.model import Plan
from tests.oracles.megatron_oracle import Question, ask_megatron


def megatron_arguments(plan: Plan) -> list[str]:
    """The plan's arguments as tokens."""
    return [token for argument in planned_arguments(plan, MegatronOptions()) for token in tokens(argument)]


def weight_and_optimizer_bytes(plans: Sequence[Plan]) -> list[float]:
    """Bytes of weights, gradients and optimizer on the most loaded shard of each plan, from one child process.

    megatron/training/theoretical_memory_usage.py, `compute_weight_and_optimizer_memory`: 18 bytes a parameter,
    or 6 + 12 / data_parallel with the distributed optimizer. Raises AssertionError if Megatron refuses a plan.
    """
    answers = ask_megatron([Question(megatron_arguments(plan), plan.hardware.world_size) for plan in plans])
    for plan, answer in zip(plans, answers, strict=True):
        assert answer.refusal is None, f"{plan.name}: {answer.refusal}"
    return [answer.weight_and_optimizer_bytes for answer in answers]
