"""What changes no shape but every result: the rotary positions and the norm's epsilon, where they cannot be passed."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.blame import blame
from ftspec.backends.megatron.examples import LENGTH, megatron_job
from ftspec.backends.megatron.rotary_arguments import dropped_factor, inexpressible_scaling
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import declare
from ftspec.plan.model import Plan

_STATED = (
    "num_hidden_layers = 16  hidden_size = 2048  intermediate_size = 8192  num_attention_heads = 32  vocab_size = 32000"
)
DETAILS = declare(
    "FT610",
    Severity.NOTE,
    "details of the model that the plan does not know",
    "Megatron's default rotary base is 10,000 and its norm's epsilon 1e-5. A shape that is stated in the spec has "
    "neither, and some rows of the catalog do not know them; a checkpoint trained with others would be read wrongly.",
    megatron_job(model=_STATED),
    megatron_job(model=_STATED, target="raw { rotary_base = 500000  norm_epsilon = 0.00001 }"),
)
POSITIONS = declare(
    "FT615",
    Severity.WARNING,
    "Megatron cannot express these rotary positions",
    "Megatron has whole rotary bases, Llama 3's scaling with its constants, linear scaling by a whole factor, and YaRN "
    "(in latent attention with its own constants). The job runs with positions that the model was not trained with.",
    megatron_job(model='from = "microsoft/Phi-3.5-mini-instruct"', training=f"sequence_length = 2Ki  {LENGTH}"),
    megatron_job(model='from = "microsoft/Phi-3-mini-4k-instruct"', training=f"sequence_length = 2Ki  {LENGTH}"),
)
_TAKES_OVER = ("rotary-base", "use-rope-scaling", "rotary-scaling-factor", "position-embedding-type", "rope-type")


DROPPED = declare(
    "FT616",
    Severity.WARNING,
    "pretrain_gpt.py ignores this scaling factor",
    "megatron-core 0.19.2 reads --rope-scaling-factor, but gpt_config_from_args (megatron/training/argument_utils.py) "
    "does not hand it on: the model is built with 8, which is Llama 3.1's and 3.3's. Llama 3.2 has 32.",
    megatron_job(model='from = "meta-llama/Llama-3.2-1B"'),
    megatron_job(model='from = "meta-llama/Llama-3.2-1B"', target="raw { rope_scaling_factor = 32 }"),
)


def details_are_known(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """The rotary base and the norm's epsilon: of the model, or raw."""
    shape = plan.model.shape
    unknown = []
    if shape.position == "rope" and shape.rope_theta is None and not _has_raw(target, "rotary-base"):
        unknown.append(("the rotary base (10000)", "rotary_base", "rope_theta"))
    if shape.norm_epsilon is None and not _has_raw(target, "norm-epsilon"):
        unknown.append(("the norm's epsilon (1e-5)", "norm_epsilon", "rms_norm_eps"))
    if not unknown:
        return
    router = ""
    if shape.moe is not None and not plan.given("model.from"):
        router = ", and the router's score function (moe_router_score_function)"
    raw = "  ".join(f"{key} = …" for _, key, _ in unknown)
    yield DETAILS.finding(
        f"Megatron will take its default for {' and '.join(each[0] for each in unknown)}: the plan knows none",
        target.span,
        f"write raw {{ {raw} }} from {' and '.join(each[2] for each in unknown)} of the model's config.json{router}",
    )


def positions_are_expressible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """A known base and scaling that no flags of Megatron say."""
    shape = plan.model.shape
    if shape.position != "rope" or shape.rope_theta is None or any(_has_raw(target, flag) for flag in _TAKES_OVER):
        return
    problem = inexpressible_scaling(shape)
    if not shape.rope_theta.is_integer():
        problem = f"a rotary base of {shape.rope_theta}, which is not whole"
    if problem is not None:
        yield POSITIONS.finding(
            f"{plan.model.id} has {problem}, which Megatron cannot express: it is left out",
            blame(plan, target, "model.from", "model"),
            "take target deepspeed, which trains the Hugging Face model itself, or say in raw what Megatron shall do "
            "instead (rotary_base and its kin)",
        )


def scaling_factor_arrives(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """A factor that the shipped script loses; writing it raw says that one's own script does not."""
    factor = dropped_factor(plan.model.shape)
    if factor is None or _has_raw(target, "rope-scaling-factor") or _has_raw(target, "use-rope-scaling"):
        return
    yield DROPPED.finding(
        f"{plan.model.id} scales its rotary frequencies by {factor:g}, but megatron-core 0.19.2 builds the model with "
        f"8, whatever --rope-scaling-factor says",
        blame(plan, target, "model.from", "model"),
        'add kwargs["rope_scaling_factor"] = args.rope_scaling_factor to gpt_config_from_args, and then write '
        f"raw {{ rope_scaling_factor = {factor:g} }}",
    )


def _has_raw(target: TargetOptions, flag: str) -> bool:
    if not target.raw:
        return False
    from ftspec.backends.megatron.flags import find_flag

    return any(find_flag(key) == flag for key in target.raw)
