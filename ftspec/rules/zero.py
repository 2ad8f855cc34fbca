"""Rules over ZeRO and Megatron's distributed optimizer: what is sharded, and over what."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import multiplies_out
from ftspec.rules.example import DEEP_LLAMA, job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, replacing

_ZERO, _DISTRIBUTED, _DATA = "parallelism.zero_stage", "parallelism.distributed_optimizer", "parallelism.data"
_SHARDED = {
    1: "optimizer states",
    2: "optimizer states and gradients",
    3: "optimizer states, gradients and parameters",
}


@plan_rule(
    "FT240",
    Severity.ERROR,
    "ZeRO 2 or 3 with a pipeline",
    "A pipeline accumulates gradients over many micro-batches on each stage; ZeRO 2 and 3 would have to reduce and"
    " gather in each of them. DeepSpeed refuses the combination when the engine starts"
    " (deepspeed/runtime/pipe/engine.py), after the cluster has been allocated.",
    bad=job(
        model=DEEP_LLAMA,
        training="stack = deepspeed  global_batch_size = 32",
        parallelism="pipeline = 4  zero_stage = 3",
    ),
    good=job(
        model=DEEP_LLAMA,
        training="stack = deepspeed  global_batch_size = 32",
        parallelism="pipeline = 4  zero_stage = 1",
    ),
)
def no_gradient_sharding_in_a_pipeline(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """zero_stage ≥ 2 with pipeline > 1 on DeepSpeed."""
    layout = plan.parallelism
    if plan.training.stack in ("deepspeed", "megatron_deepspeed") and layout.zero_stage >= 2 and layout.pipeline > 1:
        yield rule.finding(
            f"ZeRO-{layout.zero_stage} with pipeline = {layout.pipeline} is refused by DeepSpeed when the engine"
            ' starts: "ZeRO-2 and ZeRO-3 are incompatible with pipeline parallelism"',
            blamed(plan, _ZERO, "parallelism.pipeline"),
            f"write zero_stage = 1 with the pipeline, or pipeline = 1 with zero_stage = {layout.zero_stage}",
            replacing(plan, _ZERO, 1),
        )


def sharding_ranks(plan: Plan) -> int:
    """Over how many GPUs states are sharded: data × context, on DeepSpeed and on Megatron alike."""
    return plan.parallelism.data * plan.parallelism.context


@plan_rule(
    "FT241",
    Severity.WARNING,
    "ZeRO shards nothing",
    "ZeRO divides what the data-parallel replicas hold alike. With one replica there is nothing to divide: the stage"
    " costs its bookkeeping and saves no byte.",
    bad=job(training="stack = deepspeed", parallelism="tensor = 8  data = 1  zero_stage = 3"),
    good=job(training="stack = deepspeed", parallelism="tensor = 4  data = 2  zero_stage = 3"),
)
def zero_has_replicas(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """zero_stage ≥ 1 with one data-parallel replica."""
    layout = plan.parallelism
    if layout.zero_stage < 1 or sharding_ranks(plan) > 1 or not multiplies_out(plan) or not plan.given(_ZERO):
        return
    yield rule.finding(
        f"zero_stage = {layout.zero_stage} shards {_SHARDED[layout.zero_stage]} over data-parallel replicas, and data"
        " is 1: it shards nothing",
        blamed(plan, _ZERO, _DATA),
        _more_replicas(plan),
    )


def _more_replicas(plan: Plan) -> str:
    layout = plan.parallelism
    if plan.hardware.world_size == 1:
        alone = "write stack = ddp" if plan.training.stack == "fsdp2" else "write zero_stage = 0"
        return f"{alone}, or use more GPUs"
    axis, degree = max(("pipeline", layout.pipeline), ("tensor", layout.tensor), key=lambda pair: pair[1])
    if degree % 2:
        return f"use a smaller {axis} than {degree}, so that data becomes 2 or more"
    return f"write {axis} = {degree // 2} with data = 2, or less for more, or zero_stage = 0"


@plan_rule(
    "FT242",
    Severity.WARNING,
    "the distributed optimizer shards nothing",
    "Megatron's distributed optimizer divides states over data × context. With one rank there it divides nothing.",
    bad=job(training="stack = megatron", parallelism="tensor = 8  distributed_optimizer = true"),
    good=job(training="stack = megatron", parallelism="tensor = 4  distributed_optimizer = true"),
)
def distributed_optimizer_has_replicas(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """distributed_optimizer = true with one rank to shard over."""
    written = plan.given(_DISTRIBUTED) and plan.parallelism.distributed_optimizer
    zero_reported = plan.given(_ZERO) and plan.parallelism.zero_stage >= 1
    if written and not zero_reported and sharding_ranks(plan) == 1 and multiplies_out(plan):
        yield rule.finding(
            "distributed_optimizer shards over data × context, and that is 1: it shards nothing",
            blamed(plan, _DISTRIBUTED),
            "leave it out, or use a smaller tensor or pipeline so that data becomes 2 or more",
        )


@plan_rule(
    "FT243",
    Severity.ERROR,
    "zero_stage and distributed_optimizer contradict each other",
    "On Megatron both words mean the same thing: the distributed optimizer is ZeRO stage 1.",
    bad=job(training="stack = megatron", parallelism="zero_stage = 1  distributed_optimizer = false"),
    good=job(training="stack = megatron", parallelism="zero_stage = 1  distributed_optimizer = true"),
)
def stage_agrees_with_distributed_optimizer(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """zero_stage 0 or 1 against distributed_optimizer, both written, on Megatron."""
    layout = plan.parallelism
    both = plan.given(_ZERO) and plan.given(_DISTRIBUTED)
    if plan.training.stack != "megatron" or not both or layout.zero_stage > 1:
        return
    if layout.distributed_optimizer != (layout.zero_stage == 1):
        written = "true" if layout.distributed_optimizer else "false"
        yield rule.finding(
            f"zero_stage = {layout.zero_stage}, but distributed_optimizer = {written}; on Megatron they are the same"
            " thing",
            blamed(plan, _DISTRIBUTED),
            f"write zero_stage = {int(layout.distributed_optimizer)}, or leave one of them out",
            replacing(plan, _ZERO, int(layout.distributed_optimizer)),
        )
