"""Rules over the sequence against the positions that the model knows."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed


@plan_rule(
    "FT212",
    Severity.ERROR,
    "the sequence is longer than the model's table of positions",
    "A learned position embedding has one row for each position; there is none beyond max_position_embeddings."
    " Megatron refuses a longer sequence for every kind of position (validate_args).",
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
    goal = (
        "a longer table, whose new rows are trained from nothing" if shape.position == "learned" else "longer contexts"
    )
    raised = f"; for {goal}, write max_position_embeddings = {length} in the model block"
    yield rule.finding(
        f"sequence_length = {length:,}, but {why}",
        blamed(plan, "training.sequence_length", "model.max_position_embeddings"),
        f"write sequence_length = {limit}{raised}",
    )


@plan_rule(
    "FT213",
    Severity.WARNING,
    "the sequence is longer than the model was trained for",
    "Rotary positions beyond max_position_embeddings have never been seen in training: the model degrades there"
    " unless its rotary base is scaled.",
    bad=job(
        model='from = "meta-llama/Llama-3.2-1B"  max_position_embeddings = 2048',
        training="stack = deepspeed  sequence_length = 4Ki",
    ),
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
