"""Rules over expert parallelism."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import common_divisors, divisors, multiplies_out, nearest
from ftspec.rules.example import SMALL_MIXTRAL, job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either, replacing

_EXPERT, _EXPERT_TENSOR = "parallelism.expert", "parallelism.expert_tensor"


@plan_rule(
    "FT250",
    Severity.ERROR,
    "expert parallelism in a model without experts",
    "Expert parallelism divides the experts of mixture-of-experts layers; a dense model has none (Megatron refuses it"
    " in validate_args).",
    bad=job(training="stack = megatron", parallelism="expert = 8"),
    good=job(model=SMALL_MIXTRAL, training="stack = megatron", parallelism="expert = 8"),
)
def model_has_experts(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """expert > 1 on a dense model."""
    if plan.model.shape.moe is None and plan.parallelism.expert > 1:
        yield rule.finding(
            f"expert = {plan.parallelism.expert}, but {plan.model.id} has no experts",
            blamed(plan, _EXPERT),
            "remove it",
            replacing(plan, _EXPERT, 1),
        )


@plan_rule(
    "FT251",
    Severity.ERROR,
    "expert parallelism does not divide the experts",
    "Each expert-parallel rank holds the same number of whole experts (validate_args).",
    bad=job(
        model=SMALL_MIXTRAL,
        hardware='gpu = "H100-SXM5-80GB"  gpus_per_node = 3',
        training="stack = megatron",
        parallelism="expert = 3",
    ),
    good=job(model=SMALL_MIXTRAL, training="stack = megatron", parallelism="expert = 4"),
)
def expert_divides_experts(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Experts by expert."""
    moe, expert = plan.model.shape.moe, plan.parallelism.expert
    if moe is not None and moe.num_experts % expert:
        works = _fitting(plan) or divisors(moe.num_experts)
        yield rule.finding(
            f"expert = {expert} does not divide {moe.num_experts} experts",
            blamed(plan, _EXPERT),
            f"write expert = {either(nearest(works, expert))}",
        )


def _fitting(plan: Plan) -> list[int]:
    """Degrees that divide both the experts and the ranks that hold them."""
    moe, layout = plan.model.shape.moe, plan.parallelism
    ranks = layout.data * layout.context * layout.tensor
    if moe is None or ranks % layout.expert_tensor:
        return []
    return common_divisors(moe.num_experts, ranks // layout.expert_tensor)


@plan_rule(
    "FT252",
    Severity.ERROR,
    "expert parallelism does not lie inside data × context × tensor",
    "The experts are spread over the same GPUs as one pipeline stage's dense layers: expert × expert_tensor must"
    " divide data × context × tensor (megatron/core/parallel_state.py).",
    bad=job(
        model=SMALL_MIXTRAL,
        training="stack = megatron",
        parallelism="tensor = 4  expert = 4  sequence_parallel = true",
    ),
    good=job(
        model=SMALL_MIXTRAL,
        training="stack = megatron",
        parallelism="tensor = 4  expert = 2  sequence_parallel = true",
    ),
)
def experts_lie_inside_a_stage(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """expert × expert_tensor divides data × context × tensor."""
    moe, layout = plan.model.shape.moe, plan.parallelism
    ranks, wanted = layout.data * layout.context * layout.tensor, layout.expert * layout.expert_tensor
    if moe is None or not multiplies_out(plan) or ranks % wanted == 0:
        return
    by_default = "" if plan.given(_EXPERT_TENSOR) else " (tensor's)"
    ways = _fitting(plan)
    help = f"write expert = {either(nearest(ways, layout.expert))}" if ways else "use a smaller expert_tensor"
    if layout.expert_tensor > 1 and ranks % layout.expert == 0:
        help += ", or expert_tensor = 1"
    yield rule.finding(
        f"expert {layout.expert} × expert_tensor {layout.expert_tensor}{by_default} = {wanted} does not divide "
        f"data {layout.data} × context {layout.context} × tensor {layout.tensor} = {ranks}",
        blamed(plan, _EXPERT, _EXPERT_TENSOR, "parallelism.tensor"),
        help,
    )


@plan_rule(
    "FT253",
    Severity.ERROR,
    "expert tensor parallelism does not divide an expert's width",
    "Each GPU of the expert-tensor group holds an equal piece of every expert.",
    bad=job(
        model='from = "mistralai/Mixtral-8x7B-v0.1"  num_hidden_layers = 2  moe { moe_intermediate_size = 14338 }',
        training="stack = megatron",
        parallelism="tensor = 4  sequence_parallel = true",
    ),
    good=job(model=SMALL_MIXTRAL, training="stack = megatron", parallelism="tensor = 4  sequence_parallel = true"),
)
def expert_tensor_divides_width(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Expert width by expert_tensor."""
    moe, degree = plan.model.shape.moe, plan.parallelism.expert_tensor
    if moe is not None and moe.moe_intermediate_size % degree:
        layout, works = plan.parallelism, divisors(moe.moe_intermediate_size)
        ranks = layout.data * layout.context * layout.tensor
        inside = [each for each in works if ranks % (layout.expert * each) == 0]
        yield rule.finding(
            f"expert_tensor = {degree} does not divide an expert's width ({moe.moe_intermediate_size:,})",
            blamed(plan, _EXPERT_TENSOR, "parallelism.tensor"),
            f"write expert_tensor = {either(nearest(inside or works, degree))}",
        )


@plan_rule(
    "FT254",
    Severity.ERROR,
    "experts and tensor parallelism without sequence parallelism",
    "Megatron's MoE layer refuses to train with tensor parallelism unless sequence parallelism is on"
    " (megatron/core/transformer/moe/moe_layer.py): every tensor rank would route all tokens again.",
    bad=job(model=SMALL_MIXTRAL, training="stack = megatron", parallelism="tensor = 4"),
    good=job(model=SMALL_MIXTRAL, training="stack = megatron", parallelism="tensor = 4  sequence_parallel = true"),
)
def experts_with_tensor_need_sequence_parallel(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """MoE with tensor > 1 needs sequence_parallel on Megatron."""
    layout = plan.parallelism
    if (
        plan.model.shape.moe is not None
        and "megatron" in plan.training.stack
        and layout.tensor > 1
        and not layout.sequence_parallel
    ):
        path = "parallelism.sequence_parallel"
        yield rule.finding(
            f"a model with experts and tensor = {layout.tensor} trains only with sequence_parallel on Megatron",
            blamed(plan, path, "parallelism.tensor"),
            "write sequence_parallel = true",
            replacing(plan, path, "true"),
        )


@plan_rule(
    "FT255",
    Severity.WARNING,
    "expert_tensor in a model without experts",
    "expert_tensor divides experts; a dense model has none, and the value does nothing.",
    bad=job(training="stack = megatron", parallelism="tensor = 2  expert_tensor = 1"),
    good=job(training="stack = megatron", parallelism="tensor = 2"),
)
def expert_tensor_needs_experts(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A written expert_tensor on a dense model."""
    if plan.model.shape.moe is None and plan.given(_EXPERT_TENSOR) and plan.parallelism.expert == 1:
        yield rule.finding(
            f"expert_tensor has no effect: {plan.model.id} has no experts", blamed(plan, _EXPERT_TENSOR), "remove it"
        )
