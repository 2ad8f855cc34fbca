"""Rules over architectures whose activations are not derived operation by operation."""

from collections.abc import Iterator
from functools import cache

from ftspec.core.finding import Finding, Severity
from ftspec.core.resources import json_beside
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed


@cache
def _parts() -> dict[str, dict[str, str]]:
    """What is approximated, by the shape's field, and how far the estimate was off (approximated.json)."""
    parts: dict[str, dict[str, str]] = json_beside(__file__, "approximated.json")["parts"]
    return parts


@plan_rule(
    "FT406",
    Severity.NOTE,
    "activations of this architecture are approximated",
    "Weights, gradients and optimizer states are exact for every architecture. Activations are derived operation by"
    " operation where layers are attention and an MLP or experts; state-space, linear-attention and sparse-attention"
    " layers, and layers with heads of their own, are taken to keep what the model's usual attention would keep."
    " With full checkpointing less of it matters, as one layer at a time is recomputed.",
    bad=job(model='from = "Qwen/Qwen3.5-27B"  num_hidden_layers = 4', training="stack = ddp"),
    good=job(training="stack = ddp"),
)
def activations_are_derived(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Parts of the shape that the tape of a layer does not know."""
    for field, part in _parts().items():
        if getattr(plan.model.shape, field) is not None:
            yield rule.finding(
                f"{plan.model.id} has {part['name']}, whose activations are approximated: {part['measured']}",
                blamed(plan, "model.from", "model"),
            )
