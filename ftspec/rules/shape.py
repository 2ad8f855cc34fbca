"""Rules over the model's shape: shapes that no attention or router can be built from."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import divisors, nearest
from ftspec.rules.example import SMALL_MIXTRAL, job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either


@plan_rule(
    "FT210",
    Severity.ERROR,
    "the key-value heads do not divide the attention heads",
    "In grouped-query attention every key-value head serves the same number of query heads.",
    bad=job(model='from = "meta-llama/Llama-3.2-1B"  num_key_value_heads = 5'),
    good=job(model='from = "meta-llama/Llama-3.2-1B"  num_key_value_heads = 4'),
)
def key_value_heads_divide_heads(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Attention heads by key-value heads."""
    shape = plan.model.shape
    heads, groups = shape.num_attention_heads, shape.num_key_value_heads
    if shape.mla is None and heads % groups:
        yield rule.finding(
            f"{groups} key-value heads do not divide {heads} attention heads",
            blamed(plan, "model.num_key_value_heads", "model.num_attention_heads"),
            f"write num_key_value_heads = {either(nearest(divisors(heads), groups))}",
        )


@plan_rule(
    "FT211",
    Severity.ERROR,
    "a token is routed to more experts than there are",
    "The router picks num_experts_per_tok different experts for each token.",
    bad=job(model=f"{SMALL_MIXTRAL}  moe {{ num_experts_per_tok = 9 }}"),
    good=job(model=f"{SMALL_MIXTRAL}  moe {{ num_experts_per_tok = 1 }}"),
)
def experts_per_token_exist(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """num_experts_per_tok ≤ num_experts."""
    moe = plan.model.shape.moe
    if moe is not None and moe.num_experts_per_tok > moe.num_experts:
        yield rule.finding(
            f"num_experts_per_tok = {moe.num_experts_per_tok}, but the model has {moe.num_experts} experts",
            blamed(plan, "model.moe.num_experts_per_tok", "model.moe.num_experts", "model"),
            f"write at most {moe.num_experts}",
        )


@plan_rule(
    "FT212",
    Severity.ERROR,
    "the sequence is longer than the model's table of positions",
    "A learned position embedding has one row for each position; there is none beyond max_position_embeddings. Megatron refuses a longer sequence for every kind of position (validate_args).",
    bad=job(model='from = "openai-community/gpt2"', training="sequence_length = 2Ki"),
    good=job(model='from = "openai-community/gpt2"', training="sequence_length = 1Ki"),
)
def positions_exist(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Sequence length against the position table, or against Megatron's own check."""
    shape, length = plan.model.shape, plan.training.sequence_length
    limit = shape.max_position_embeddings
    if length <= limit:
        return
    if shape.position == "learned":
        why = f"the model has learned positions up to {limit:,}"
    elif plan.training.stack == "megatron":
        why = f"the model's max_position_embeddings is {limit:,}, and Megatron refuses longer sequences"
    else:
        return
    raised = f"; to train for longer contexts, write max_position_embeddings = {length} in the model block"
    yield rule.finding(
        f"sequence_length = {length:,}, but {why}",
        blamed(plan, "training.sequence_length", "model.max_position_embeddings"),
        f"write sequence_length = {limit}{raised if shape.position != 'learned' else ''}",
    )


@plan_rule(
    "FT213",
    Severity.WARNING,
    "the sequence is longer than the model was trained for",
    "Rotary positions beyond max_position_embeddings have never been seen in training: the model degrades there unless its rotary base is scaled.",
    bad=job(model='from = "meta-llama/Llama-3.2-1B"  max_position_embeddings = 2048', training="stack = deepspeed  sequence_length = 4Ki"),
    good=job(training="stack = deepspeed  sequence_length = 4Ki"),
)
def positions_were_trained(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Sequence length against max_position_embeddings, where nothing refuses it."""
    shape, length = plan.model.shape, plan.training.sequence_length
    limit = shape.max_position_embeddings
    if shape.position == "rope" and length > limit and plan.training.stack != "megatron":
        yield rule.finding(
            f"sequence_length = {length:,} is beyond the model's max_position_embeddings = {limit:,}",
            blamed(plan, "training.sequence_length", "model.max_position_embeddings"),
            f"write sequence_length = {limit}, or scale the rotary base and state the new max_position_embeddings",
        )
