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
DETAILS = declare(
    "FT610",
    Severity.NOTE,
    "details of the model that the plan does not carry",
    "Megatron's default rotary base is 10,000 and its norm's epsilon 1e-5. They change no shape, so ftspec's catalog "
    "does not hold them, but a checkpoint trained with others would be read wrongly.",
    megatron_job(),
    megatron_job(target="raw { rotary_base = 500000 }"),
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


def details_are_said(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """What a rotary model needs beyond its shape."""
    if plan.model.shape.position != "rope" or _has_raw(target, "rotary-base"):
        return
    router = ", and the router's score function (moe_router_score_function)" if plan.model.shape.moe is not None else ""
    yield DETAILS.finding(
        "Megatron will take its defaults for the rotary base (10000) and the norm's epsilon (1e-5): the plan does "
        "not carry them",
        target.span,
        f"write raw {{ rotary_base = …  norm_epsilon = … }} from rope_theta and rms_norm_eps of the model's "
        f"config.json{router}",
    )


def _has_raw(target: TargetOptions, flag: str) -> bool:
    if not target.raw:
        return False
    from ftspec.backends.megatron.flags import find_flag

    return any(find_flag(key) == flag for key in target.raw)
