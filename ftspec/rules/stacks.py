"""The rule over what a stack cannot do. Which stack has what is data: stack_features.json."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from ftspec.core.finding import Finding, Severity
from ftspec.core.resources import json_beside
from ftspec.core.rule import Rule
from ftspec.plan.fields import value_at
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either

STACKS = ("deepspeed", "megatron", "megatron_deepspeed", "fsdp2", "ddp")


class Feature(NamedTuple):
    """Something that some stacks have.

    `when` lists the values of the plan field that use it; None: a degree above 1, or true. `instead` says
    what to write on a stack that lacks it, under "" on any.
    """

    name: str
    path: str
    written_at: str
    when: tuple[Any, ...] | None
    stacks: frozenset[str]
    instead: Mapping[str, str]

    def used(self, plan: Plan) -> bool:
        """Whether the plan asks for it."""
        value = value_at(plan, self.path)
        if self.when is not None:
            return value in self.when
        return value if isinstance(value, bool) else value > 1


@cache
def stack_features() -> tuple[Feature, ...]:
    """The features of the data file, in its order."""
    rows = json_beside(__file__, "stack_features.json")["features"]
    return tuple(
        Feature(
            name=row["name"],
            path=row["path"],
            written_at=row.get("written_at", row["path"]),
            when=tuple(row["when"]) if "when" in row else None,
            stacks=frozenset(row["stacks"]),
            instead=row["instead"],
        )
        for row in rows
    )


def has_feature(stack: str, name: str) -> bool:
    """Whether a stack has the feature of that name. Raises StopIteration for a name that the data file lacks."""
    return stack in next(feature.stacks for feature in stack_features() if feature.name == name)


@plan_rule(
    "FT260",
    Severity.ERROR,
    "the stack has no such feature",
    "Each stack divides a job in its own ways; what it does not have it refuses or leaves out.",
    bad=job(training="stack = ddp", parallelism="zero_stage = 3"),
    good=job(training="stack = fsdp2", precision="parameters = fp32", parallelism="zero_stage = 3"),
)
def stack_has_what_is_used(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Every feature that the plan uses, against the stacks that have it."""
    stack = plan.training.stack
    for feature in stack_features():
        if stack not in feature.stacks and feature.used(plan):
            has = either(sorted(feature.stacks))
            yield rule.finding(
                f"{stack} has no {feature.name} ({has} has)",
                blamed(plan, feature.written_at, "training.stack"),
                f"{feature.instead.get(stack) or feature.instead['']}, or run the job on {has}, with a target that it"
                " reads",
            )


@cache
def _vendors_of(stack: str) -> tuple[str, ...]:
    return tuple(json_beside(__file__, "stack_accelerators.json")["vendors"][stack])


@plan_rule(
    "FT261",
    Severity.ERROR,
    "the stack does not run on this accelerator",
    "A stack runs where its kernels and its communication library do. DeepSpeed runs on CUDA, ROCm, CPUs, Gaudi and"
    " Ascend; Megatron-LM on CUDA and ROCm; none of them on TPU or Trainium, whose programs are compiled by XLA.",
    bad=job(hardware='gpu = "TPU-v5p"  nodes = 2  gpus_per_node = 4', training="stack = deepspeed"),
    good=job(hardware='gpu = "Gaudi3"  nodes = 1  gpus_per_node = 8', training="stack = deepspeed  attention = sdpa"),
)
def stack_runs_on_the_accelerator(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """The accelerator's vendor against those that the stack runs on."""
    stack, accelerator = plan.training.stack, plan.hardware.accelerator
    if accelerator.vendor in _vendors_of(stack):
        return
    others = [each for each in STACKS if accelerator.vendor in _vendors_of(each)]
    instead = f", or for {accelerator.id} a stack that has it: {either(others)}" if others else ""
    yield rule.finding(
        f"{stack} does not run on {accelerator.id}",
        blamed(plan, "hardware.gpu", "training.stack"),
        f'write a GPU that it runs on, gpu = "H100-SXM5-80GB" for instance{instead}',
    )
