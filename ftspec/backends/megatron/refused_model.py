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

ROUTING = declare(
    "FT617",
    Severity.ERROR,
    "Megatron would route tokens to experts in another way",
    "Megatron chooses experts by the softmax of the router's logits unless arguments say otherwise. Models such as "
    "DeepSeek-V3 were trained with sigmoid scores, a bias and groups, and would go on as another model without them. "
    "The plan does not carry the router's settings; raw keys do.",
    megatron_job(
        model='from = "zai-org/GLM-4.5-Air"',
        parallelism="tensor = 8  sequence_parallel = true  expert = 8  zero_stage = 1",
    ),
    megatron_job(),
)


def routing_is_said(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """A router that is not Megatron's default needs raw keys that say so."""
    moe = plan.model.shape.moe
    if moe is None or moe.routing == "softmax" or any(_flag(key).startswith("moe-router-") for key in target.raw):
        return
    yield ROUTING.finding(
        f"{plan.model.id} chooses experts by {moe.routing}, and Megatron by the softmax of the logits",
        blame(plan, target, "model.from", "model"),
        "write raw { moe_router_score_function = …  moe_router_enable_expert_bias = …  moe_router_num_groups = …  "
        "moe_router_group_topk = …  moe_router_topk_scaling_factor = … } from scoring_func, n_group, topk_group and "
        "routed_scaling_factor of the model's config.json",
    )


def _flag(key: str) -> str:
    return key.lstrip("-").replace("_", "-")


def shape_is_possible(plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Every feature of the shape that Megatron has no switch for, in one finding."""
    reasons = list(inexpressible(plan.model.shape))
    if reasons:
        yield SHAPE.finding(
            f"{plan.model.id} cannot be built by Megatron: it has " + ", and ".join(reasons),
            blame(plan, target, "model.from", "model"),
            "take target deepspeed, which trains the Hugging Face model itself",
        )
