"""Rules over what divides a sequence: sequence parallelism and context parallelism."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import common_divisors, divisors, nearest, neighbours
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either, replacing

_SEQUENCE, _CONTEXT = "training.sequence_length", "parallelism.context"
_ULYSSES_STACKS = ("deepspeed", "megatron_deepspeed")


@plan_rule(
    "FT215",
    Severity.ERROR,
    "sequence parallelism without tensor parallelism",
    "Sequence parallelism shards norms and dropouts inside the tensor-parallel group. Without one there is nothing to"
    " shard: Megatron's configuration refuses it, and its argument parser switches it off in silence.",
    bad=job(training="stack = megatron", parallelism="tensor = 1  sequence_parallel = true"),
    good=job(parallelism="tensor = 2  sequence_parallel = true"),
)
def sequence_parallel_needs_tensor(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """sequence_parallel with tensor = 1."""
    layout = plan.parallelism
    if layout.sequence_parallel and layout.tensor == 1:
        path = "parallelism.sequence_parallel"
        yield rule.finding(
            "sequence_parallel shards inside the tensor group, and tensor is 1",
            blamed(plan, path),
            "write sequence_parallel = false, or tensor = 2 or more",
            replacing(plan, path, "false"),
        )


@plan_rule(
    "FT216",
    Severity.ERROR,
    "the sequence does not divide over the tensor group",
    "Under sequence parallelism each tensor-parallel GPU holds an equal part of the sequence (of its context-parallel"
    " part, with context parallelism).",
    bad=job(training="sequence_length = 4097", parallelism="tensor = 4  sequence_parallel = true"),
    good=job(training="sequence_length = 4Ki", parallelism="tensor = 4  sequence_parallel = true"),
)
def sequence_divides_over_tensor(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Sequence length by tensor × context under sequence parallelism."""
    layout, length = plan.parallelism, plan.training.sequence_length
    parts = layout.tensor * layout.context
    if not layout.sequence_parallel or length % parts == 0 or _uneven_over_context(plan):
        return
    divisor = (
        f"tensor = {parts}" if layout.context == 1 else f"tensor {layout.tensor} × context {layout.context} = {parts}"
    )
    yield rule.finding(
        f"sequence_length = {length:,} does not divide by {divisor}, as sequence_parallel needs",
        blamed(plan, _SEQUENCE, "parallelism.sequence_parallel"),
        f"write sequence_length = {either(neighbours(length, parts))}",
    )


def _context_divisor(plan: Plan) -> int:
    """Each rank of ring attention holds two chunks, one from either end; Ulysses cuts the sequence once."""
    context = plan.parallelism.context
    return context if plan.training.stack in _ULYSSES_STACKS else 2 * context


def _uneven_over_context(plan: Plan) -> bool:
    return plan.parallelism.context > 1 and plan.training.sequence_length % _context_divisor(plan) != 0


@plan_rule(
    "FT217",
    Severity.ERROR,
    "the sequence does not divide over the context-parallel ranks",
    "Megatron gives each context-parallel rank two chunks of the sequence, one from either end, so that the causal"
    " mask costs all the same: the sequence must be a multiple of 2 × context (validate_args). DeepSpeed's Ulysses"
    " needs a multiple of context.",
    bad=job(training="stack = megatron  sequence_length = 4098", parallelism="context = 4"),
    good=job(training="stack = megatron  sequence_length = 4Ki", parallelism="context = 4"),
)
def sequence_divides_over_context(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Sequence length by 2 × context (Megatron), by context (Ulysses)."""
    if not _uneven_over_context(plan):
        return
    length, divisor, context = plan.training.sequence_length, _context_divisor(plan), plan.parallelism.context
    yield rule.finding(
        f"sequence_length = {length:,} does not divide by"
        f" {f'2 × context {context} = {divisor}' if divisor > context else f'context = {context}'}",
        blamed(plan, _SEQUENCE, _CONTEXT),
        f"write sequence_length = {either(neighbours(length, divisor))}",
    )


@plan_rule(
    "FT218",
    Severity.ERROR,
    "context parallelism does not divide the attention heads",
    "DeepSpeed's Ulysses turns a part of the sequence into a part of the heads: the context degree must divide the"
    " heads, and the key-value heads one way or the other (deepspeed/runtime/sequence_parallel/ulysses_sp.py).",
    bad=job(
        hardware='gpu = "H100-SXM5-80GB"  gpus_per_node = 3',
        training="stack = deepspeed  sequence_length = 3Ki",
        parallelism="context = 3",
    ),
    good=job(training="stack = deepspeed", parallelism="context = 4"),
)
def context_divides_heads(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Heads by context under Ulysses."""
    shape, context = plan.model.shape, plan.parallelism.context
    heads, groups = shape.num_attention_heads, shape.num_key_value_heads
    fits = heads % context == 0 and (groups % context == 0 or context % groups == 0)
    if plan.training.stack in _ULYSSES_STACKS and not fits:
        works = [degree for degree in divisors(heads) if groups % degree == 0 or degree % groups == 0]
        within = [degree for degree in works if degree in common_divisors(plan.hardware.world_size)]
        yield rule.finding(
            f"context = {context} does not divide {heads} attention heads and {groups} key-value heads, and Ulysses"
            " divides by heads",
            blamed(plan, _CONTEXT),
            f"write context = {either(nearest(within or works, context))}",
        )


@plan_rule(
    "FT219",
    Severity.ERROR,
    "AutoTP does not shard norms along the sequence",
    "Sequence parallelism is a property of Megatron's layers. DeepSpeed's AutoTP cuts the matrices of a model and"
    " leaves the activations between them whole (deepspeed/module_inject/auto_tp.py). With a pipeline the training"
    " script builds the layers, and they may have it.",
    bad=job(training="stack = deepspeed", parallelism="tensor = 2  sequence_parallel = true"),
    good=job(training="stack = deepspeed", parallelism="tensor = 2"),
)
def autotp_keeps_norms_whole(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """sequence_parallel on DeepSpeed without a pipeline."""
    layout = plan.parallelism
    if plan.training.stack == "deepspeed" and layout.sequence_parallel and layout.tensor > 1 and layout.pipeline == 1:
        path = "parallelism.sequence_parallel"
        yield rule.finding(
            "DeepSpeed's AutoTP has no sequence parallelism",
            blamed(plan, path),
            "write sequence_parallel = false, or run the job on megatron, with a target that it reads",
            replacing(plan, path, "false"),
        )
