"""What Megatron's GPT model cannot be."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.blame import blame
from ftspec.backends.megatron.examples import LENGTH, megatron_job
from ftspec.backends.megatron.expressible import inexpressible
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan

SHAPE = declare(
    "FT608",
    Severity.ERROR,
    "Megatron's GPT model cannot have this shape",
    "pretrain_gpt.py builds one architecture with switches: RMSNorm or LayerNorm before attention and MLP, rotary or "
    "learned positions, biases everywhere, nowhere or on query, key and value. A model outside of that would be "
    "trained as another model.",
    megatron_job(model='from = "bigscience/bloom-560m"', training=f"sequence_length = 2Ki  {LENGTH}"),
    megatron_job(),
)


def shape_is_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Every feature of the shape that Megatron has no switch for, in one finding."""
    reasons = list(inexpressible(plan.model.shape))
    if reasons:
        yield SHAPE.finding(
            f"{plan.model.id} cannot be built by Megatron: it has " + ", and ".join(reasons),
            blame(plan, target, "model.from", "model"),
            "take target deepspeed, which trains the Hugging Face model itself",
        )
