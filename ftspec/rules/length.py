"""Rules over the job's length and over how activations are recomputed."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed

_TOKENS, _STEPS, _EPOCHS = "training.tokens", "training.steps", "training.epochs"
_EVERY = "training.activation_checkpointing.every"


@plan_rule(
    "FT370",
    Severity.ERROR,
    "tokens and steps disagree",
    "The length of a job is stated once: steps × global_batch_size × sequence_length are its tokens.",
    bad=job(training="global_batch_size = 64  sequence_length = 4Ki  tokens = 1B  steps = 100"),
    good=job(training="global_batch_size = 64  sequence_length = 4Ki  tokens = 1B"),
)
def tokens_agree_with_steps(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Written tokens against written steps; a last, partial step may be counted or not."""
    training = plan.training
    if training.tokens is None or training.steps is None or not (plan.given(_TOKENS) and plan.given(_STEPS)):
        return
    per_step = training.global_batch_size * training.sequence_length
    if abs(training.steps * per_step - training.tokens) >= per_step:
        whole = -(-training.tokens // per_step)
        yield rule.finding(
            f"{training.steps:,} steps of {per_step:,} tokens are {training.steps * per_step:,} tokens, but tokens ="
            f" {training.tokens:,}",
            blamed(plan, _STEPS),
            f"write steps = {whole}, or leave one of them out",
        )


@plan_rule(
    "FT371",
    Severity.ERROR,
    "epochs beside tokens or steps",
    "The length of a job is stated once. Epochs are passes over dataset.tokens; tokens and steps say the same in"
    " another way.",
    bad=job(training="epochs = 3  steps = 100  dataset { tokens = 100M }"),
    good=job(training="epochs = 3  dataset { tokens = 100M }"),
)
def length_is_stated_once(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Epochs together with tokens or steps."""
    others = [path.rpartition(".")[2] for path in (_TOKENS, _STEPS) if plan.given(path)]
    if plan.given(_EPOCHS) and others:
        yield rule.finding(
            f"epochs and {' and '.join(others)} both state the job's length",
            blamed(plan, _EPOCHS),
            "keep one of them",
        )


@plan_rule(
    "FT372",
    Severity.ERROR,
    "epochs of a data set of unknown size",
    "An epoch is one pass over the data; how many steps that is follows from dataset.tokens.",
    bad=job(training="epochs = 3"),
    good=job(training="epochs = 3  dataset { tokens = 100M }"),
)
def epochs_have_a_size(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Epochs without dataset.tokens."""
    if plan.given(_EPOCHS) and not plan.given("training.dataset.tokens"):
        yield rule.finding(
            "epochs are passes over a data set, and its size is not stated",
            blamed(plan, _EPOCHS),
            "write dataset { tokens = 100M }, or tokens or steps instead",
        )


@plan_rule(
    "FT376",
    Severity.ERROR,
    "the job is shorter than one step",
    "An optimizer step sees global_batch_size × sequence_length tokens. With fewer than that in all, not even the first"
    " step has its batch: a unit is missing, or the batch is far too large for the data.",
    bad=job(training="global_batch_size = 64  sequence_length = 4Ki  tokens = 1"),
    good=job(training="global_batch_size = 64  sequence_length = 4Ki  tokens = 1B"),
)
def job_has_a_step(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Tokens in all, stated or by epochs, against those of a step."""
    training = plan.training
    per_step = training.global_batch_size * training.sequence_length
    if training.tokens is None or training.tokens >= per_step or not (plan.given(_TOKENS) or plan.given(_EPOCHS)):
        return
    sized = plan.given(_TOKENS)
    more = f"tokens = {per_step} or more" if sized else "more epochs, or the length as steps = 1 or more"
    yield rule.finding(
        f"the job has {training.tokens:,} tokens in all, and one step is global_batch_size"
        f" {training.global_batch_size:,} × sequence_length {training.sequence_length:,} = {per_step:,}",
        blamed(plan, _TOKENS, _EPOCHS),
        f"write {more}, or a smaller batch",
    )


@plan_rule(
    "FT373",
    Severity.WARNING,
    "`every` without full recomputation",
    "Groups of layers are recomputed together only under full activation checkpointing.",
    bad=job(training="activation_checkpointing = selective { every = 2 }"),
    good=job(training="activation_checkpointing = full { every = 2 }"),
)
def groups_are_recomputed_in_full(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """activation_checkpointing.every with none or selective."""
    kind = plan.training.activation_checkpointing
    if kind != "full" and plan.given(_EVERY):
        yield rule.finding(
            f"every has no effect with activation_checkpointing = {kind}",
            blamed(plan, _EVERY),
            "remove it, or write full",
        )


@plan_rule(
    "FT374",
    Severity.WARNING,
    "a recomputed group is larger than a stage",
    "A group of layers is recomputed at once, so all its activations live together. A group as large as the stage"
    " keeps everything: it costs the time of recomputation and saves nothing.",
    bad=job(training="activation_checkpointing = full { every = 32 }"),
    good=job(training="activation_checkpointing = full { every = 2 }"),
)
def groups_are_smaller_than_a_stage(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """activation_checkpointing.every against the layers of a chunk."""
    every = plan.training.checkpoint_every_layers
    largest = max((len(chunk) for stage in plan.stages for chunk in stage.chunks), default=0)
    if plan.training.activation_checkpointing == "full" and every > max(1, largest):
        yield rule.finding(
            f"every = {every} is more than the {largest} layers that lie together: all their activations live at once",
            blamed(plan, _EVERY),
            f"write every = {max(1, round(largest**0.5))} or so",
        )


@plan_rule(
    "FT375",
    Severity.NOTE,
    "selective recomputation beside FlashAttention",
    "Selective recomputation drops the attention scores (Korthikanti et al. 2023). FlashAttention never stores them,"
    " so there is little left to save.",
    bad=job(training="activation_checkpointing = selective  attention = flash"),
    good=job(training="activation_checkpointing = full  attention = flash"),
)
def scores_are_not_stored_anyway(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """selective with flash, both written."""
    training = plan.training
    if (
        training.activation_checkpointing == "selective"
        and training.attention == "flash"
        and plan.given("training.attention")
    ):
        yield rule.finding(
            "selective recomputation saves little beside FlashAttention, which stores no scores",
            blamed(plan, "training.activation_checkpointing"),
            "write none if it fits, full if it does not",
        )
