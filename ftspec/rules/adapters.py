"""Rules over the training method: the scale of adapters, and partial fine-tuning."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed

_METHOD = "training.method"


@plan_rule(
    "FT361",
    Severity.WARNING,
    "the adapters' rank is not low",
    "An adapter of rank r on a d × d matrix has 2·r·d parameters. From r = d / 2 on that is as many as the matrix"
    " has: full fine-tuning costs less and can do more.",
    bad=job(training="stack = ddp  method = lora { rank = 1024 }"),
    good=job(training="stack = ddp  method = lora { rank = 16 }"),
)
def rank_is_low(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """rank < hidden_size / 2."""
    method, hidden = plan.training.method, plan.model.shape.hidden_size
    if method.kind in ("lora", "qlora") and 2 * method.rank >= hidden:
        yield rule.finding(
            f"rank = {method.rank:,} on matrices of width {hidden:,}: the adapters are as large as the matrices",
            blamed(plan, f"{_METHOD}.rank", _METHOD),
            "write rank = 8 to 256, or method = full",
        )


@plan_rule(
    "FT362",
    Severity.WARNING,
    "the adapters' scale is extreme",
    "An adapter's output is scaled by alpha / rank; usual are 1 or 2. Far above, training diverges; far below, it"
    " learns nothing.",
    bad=job(training="stack = ddp  method = lora { rank = 16  alpha = 1600 }"),
    good=job(training="stack = ddp  method = lora { rank = 16  alpha = 32 }"),
)
def scale_is_usual(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """alpha / rank from 1/32 to 32."""
    method = plan.training.method
    if method.kind in ("lora", "qlora") and not 1 / 32 <= method.alpha / method.rank <= 32:
        yield rule.finding(
            f"alpha {method.alpha:g} / rank {method.rank} scales the adapters by {method.alpha / method.rank:g}",
            blamed(plan, f"{_METHOD}.alpha", _METHOD),
            f"write alpha = {2 * method.rank}",
        )


@plan_rule(
    "FT363",
    Severity.ERROR,
    "more trained layers than the model has",
    "Partial fine-tuning trains the last layers of the model and keeps the others frozen.",
    bad=job(training="stack = ddp  method = partial { last_layers = 20 }"),
    good=job(training="stack = ddp  method = partial { last_layers = 4 }"),
)
def trained_layers_exist(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """last_layers ≤ layers."""
    method, layers = plan.training.method, plan.model.shape.num_hidden_layers
    if method.kind == "partial" and method.last_layers > layers:
        yield rule.finding(
            f"last_layers = {method.last_layers}, but the model has {layers} layers",
            blamed(plan, f"{_METHOD}.last_layers", _METHOD),
            f"write last_layers = {layers} or less, or method = full",
        )


@plan_rule(
    "FT364",
    Severity.ERROR,
    "nothing is trained",
    "Without a trained layer, embedding or head the optimizer has no parameters, and frameworks stop.",
    bad=job(training="stack = ddp  method = partial { last_layers = 0 }"),
    good=job(training="stack = ddp  method = partial { last_layers = 0  head = true }"),
)
def something_is_trained(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """last_layers, embeddings or head; an adapter's targets."""
    method = plan.training.method
    if method.kind in ("lora", "qlora") and not method.targets:
        yield rule.finding(
            "targets = [] puts adapters on no layer, and all else is frozen",
            blamed(plan, f"{_METHOD}.targets", _METHOD),
            "write targets = all_linear, or leave it out",
        )
    if method.kind == "partial" and not (method.last_layers or method.embeddings or method.head):
        yield rule.finding(
            "last_layers = 0 with embedding and head frozen trains nothing",
            blamed(plan, f"{_METHOD}.last_layers", _METHOD),
            "write last_layers = 1 or more",
        )
