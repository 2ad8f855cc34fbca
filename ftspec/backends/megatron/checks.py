"""Everything that this target has to say about a plan and its block, in a fixed order."""

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.blame import Check
from ftspec.backends.megatron.limits import (
    attention_spans_context,
    expert_biases_are_whole,
    fork_is_named,
    seed_and_length_are_accepted,
)
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.backends.megatron.raw_codes import UNKNOWN  # noqa: F401  # declares the codes
from ftspec.backends.megatron.refused_details import (
    details_are_known,
    positions_are_expressible,
    scaling_factor_arrives,
)
from ftspec.backends.megatron.refused_layout import offload_is_possible
from ftspec.backends.megatron.refused_model import shape_is_possible
from ftspec.backends.megatron.refused_precision import (
    gradients_are_possible,
    parameters_have_the_compute_type,
    states_are_possible,
)
from ftspec.backends.megatron.refused_training import (
    emerging_optimizers,
    loss_is_known,
    method_is_full,
    optimizer_is_known,
)
from ftspec.backends.megatron.unestimated import UNESTIMATED  # noqa: F401  # declares its code
from ftspec.core.finding import Finding, Severity
from ftspec.plan.model import Plan

CHECKS: tuple[Check, ...] = (
    shape_is_possible,
    details_are_known,
    positions_are_expressible,
    scaling_factor_arrives,
    method_is_full,
    optimizer_is_known,
    emerging_optimizers,
    loss_is_known,
    offload_is_possible,
    parameters_have_the_compute_type,
    gradients_are_possible,
    states_are_possible,
    seed_and_length_are_accepted,
    expert_biases_are_whole,
    attention_spans_context,
    fork_is_named,
)

OF_THE_LOOP: tuple[Check, ...] = (method_is_full, loss_is_known)
"""What holds of forks too: Megatron-DeepSpeed runs Megatron's loop and loss with DeepSpeed's engine and optimizers."""

OF_THE_STACK: tuple[Check, ...] = (
    *OF_THE_LOOP,
    optimizer_is_known,
    emerging_optimizers,
    offload_is_possible,
    parameters_have_the_compute_type,
    gradients_are_possible,
    states_are_possible,
)


def refusals(plan: Plan) -> list[Finding]:
    """The errors that need no target: what a plan's stack refuses by itself."""
    target = TargetOptions(MegatronOptions(), {}, {}, plan.where("training.stack"))
    checks = OF_THE_STACK if plan.training.stack == "megatron" else OF_THE_LOOP
    found = [finding for check in checks for finding in check(plan, target)]
    return [finding for finding in found if finding.severity is Severity.ERROR]


def findings(plan: Plan, target: TargetOptions) -> list[Finding]:
    """What every check finds. A block with nothing in it needs no tables of flags."""
    found = [finding for check in CHECKS for finding in check(plan, target)]
    if target.raw or target.options != MegatronOptions():
        from ftspec.backends.megatron.raw_rules import raw_findings

        found += raw_findings(plan, target)
    return found
