"""Data types as Megatron's arguments."""

from ftspec.backends.megatron.argument import Argument
from ftspec.backends.megatron.layout_arguments import offloads_states
from ftspec.plan.model import Plan

_PARAMETERS = "precision.parameters"


def precision_arguments(plan: Plan) -> list[Argument]:
    """The 16-bit mode, fp8 products, and the data types of gradients and optimizer states.

    Megatron keeps an fp32 master copy whenever the parameters have 16 bits (megatron/core/optimizer/optimizer.py,
    `MixedPrecisionOptimizer`), so the master copy has no flag of its own.
    """
    precision = plan.precision
    arguments: list[Argument] = []
    if precision.parameters != "fp32":
        arguments.append(Argument(precision.parameters, True, _PARAMETERS))
    if precision.compute == "fp8":
        arguments.append(Argument("fp8-format", "hybrid", "precision.compute"))
    if precision.parameters != "fp32" and precision.gradients == "fp32":
        arguments.append(Argument("accumulate-allreduce-grads-in-fp32", True, "precision.gradients"))
    if precision.parameters == "bf16" and precision.gradients == "bf16":
        arguments.append(Argument("grad-reduce-in-bf16", True, "precision.gradients"))
    return arguments + _state_arguments(plan)


def narrow_states(plan: Plan) -> bool:
    """Whether the optimizer's moments are held in 16 bits."""
    return plan.precision.parameters != "fp32" and plan.precision.optimizer_states in ("bf16", "fp16")


def _state_arguments(plan: Plan) -> list[Argument]:
    if not narrow_states(plan):
        if offloads_states(plan):
            return [Argument("use-precision-aware-optimizer", True, "parallelism.offload_optimizer")]
        return []
    origin = "precision.optimizer_states"
    states = plan.precision.optimizer_states
    return [
        Argument("use-precision-aware-optimizer", True, origin),
        Argument("exp-avg-dtype", states, origin),
        Argument("exp-avg-sq-dtype", states, origin),
    ]
