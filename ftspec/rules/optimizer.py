"""Rules over the optimizer and its learning-rate schedule."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either

_OPTIMIZER, _SCHEDULER = "training.optimizer", "training.learning_rate_scheduler"
_SETTINGS = ("beta1", "beta2", "epsilon", "momentum", "paged")
_HAS = {
    "adamw": ("beta1", "beta2", "epsilon"),
    "adam": ("beta1", "beta2", "epsilon"),
    "adamw_8bit": ("beta1", "beta2", "epsilon", "paged"),
    "lion": ("beta1", "beta2"),
    "sgd": ("momentum",),
    "muon": ("momentum", "beta1", "beta2", "epsilon"),
    "adafactor": ("epsilon",),
}
"""Which of the settings each optimizer reads; muon runs Adam on the parameters that are not matrices."""


@plan_rule(
    "FT350",
    Severity.ERROR,
    "a setting that the optimizer does not have",
    "Each optimizer reads its own settings. One that it does not have would be left out, and the job would not be the"
    " one that was written.",
    bad=job(training="optimizer = adamw { learning_rate = 1e-5  momentum = 0.9 }"),
    good=job(training="optimizer = adamw { learning_rate = 1e-5  beta1 = 0.9 }"),
)
def optimizer_has_the_setting(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Written settings against those that the optimizer has."""
    kind = plan.training.optimizer.kind
    for setting in _SETTINGS:
        path = f"{_OPTIMIZER}.{setting}"
        if plan.given(path) and setting not in _HAS[kind]:
            yield rule.finding(
                f"{kind} has no {setting}",
                blamed(plan, path),
                f"remove it; {kind} has learning_rate, weight_decay and {', '.join(_HAS[kind])}",
            )


def _largest_rate(plan: Plan) -> float:
    return 1.0 if plan.training.optimizer.kind == "sgd" else 0.1


@plan_rule(
    "FT351",
    Severity.WARNING,
    "the learning rate is very large",
    "Adaptive optimizers move each weight by about the learning rate in every step. Above 0.1 (1 for plain SGD)"
    " language models diverge at once; usual rates are 1e-6 to 1e-3.",
    bad=job(training="optimizer = adamw { learning_rate = 1 }"),
    good=job(training="optimizer = adamw { learning_rate = 1e-5 }"),
)
def learning_rate_is_sane(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """learning_rate up to 0.1, for SGD up to 1."""
    rate = plan.training.optimizer.learning_rate
    if rate > _largest_rate(plan):
        yield rule.finding(
            f"learning_rate = {rate:g} diverges",
            blamed(plan, f"{_OPTIMIZER}.learning_rate"),
            "usual rates are 1e-6 to 1e-3",
        )


@plan_rule(
    "FT352",
    Severity.ERROR,
    "the learning rate ends above where it begins",
    "The schedule decays from the learning rate down to the minimum; Megatron refuses a minimum above it"
    " (validate_args).",
    bad=job(
        training=(
            "optimizer = adamw { learning_rate = 1e-5 }  learning_rate_scheduler = cosine { minimum_learning_rate ="
            " 1e-4 }  steps = 1000"
        )
    ),
    good=job(
        training=(
            "optimizer = adamw { learning_rate = 1e-5 }  learning_rate_scheduler = cosine { minimum_learning_rate ="
            " 1e-6 }  steps = 1000"
        )
    ),
)
def minimum_is_below_the_peak(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """minimum_learning_rate ≤ learning_rate."""
    rate, minimum = plan.training.optimizer.learning_rate, plan.training.scheduler.minimum_learning_rate
    if minimum > rate:
        yield rule.finding(
            f"minimum_learning_rate = {minimum:g} is above learning_rate = {rate:g}",
            blamed(plan, f"{_SCHEDULER}.minimum_learning_rate"),
            f"write minimum_learning_rate = {rate / 10:g}, for instance",
        )


@plan_rule(
    "FT353",
    Severity.ERROR,
    "the warm-up is as long as the job",
    "The learning rate would never reach its peak; Megatron refuses a warm-up that does not end before the decay does"
    " (megatron/core/optimizer_param_scheduler.py).",
    bad=job(training="learning_rate_scheduler = cosine { warmup_steps = 2000 }  steps = 1000"),
    good=job(training="learning_rate_scheduler = cosine { warmup_steps = 50 }  steps = 1000"),
)
def warm_up_ends(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """warmup_steps < total_steps."""
    scheduler = plan.training.scheduler
    total = scheduler.total_steps
    if total is not None and scheduler.warmup_steps >= total:
        yield rule.finding(
            f"warmup_steps = {scheduler.warmup_steps:,} is not less than the schedule's {total:,} steps",
            blamed(plan, f"{_SCHEDULER}.warmup_steps"),
            f"write warmup_steps = {either(_usual_warm_up(total))}, or a longer job",
        )


def _usual_warm_up(total: int) -> list[int]:
    """1% and 5% of the steps, but two at least, which DeepSpeed's schedules take anyway; none in a job of two steps."""
    usual = sorted({max(2, total // 100), max(2, total // 20)})
    return [steps for steps in usual if steps < total] or [0]


@plan_rule(
    "FT354",
    Severity.WARNING,
    "the schedule is not as long as the job",
    "A decay that ends before the job leaves the rest at the minimum rate; one that ends after it never gets there.",
    bad=job(training="learning_rate_scheduler = cosine { warmup_steps = 10  total_steps = 500 }  steps = 1000"),
    good=job(training="learning_rate_scheduler = cosine { warmup_steps = 10 }  steps = 1000"),
)
def schedule_is_as_long_as_the_job(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """total_steps against the job's steps."""
    scheduler, steps = plan.training.scheduler, plan.training.steps
    path = f"{_SCHEDULER}.total_steps"
    if plan.given(path) and steps is not None and scheduler.total_steps != steps:
        yield rule.finding(
            f"total_steps = {scheduler.total_steps:,}, but the job has {steps:,} steps",
            blamed(plan, path),
            "leave total_steps out: it is the job's steps",
        )


@plan_rule(
    "FT355",
    Severity.WARNING,
    "a constant rate with a minimum",
    "The minimum is where a decay ends. A constant rate stays at its peak after the warm-up, and no framework reads a"
    " minimum for it.",
    bad=job(training="learning_rate_scheduler = constant { minimum_learning_rate = 1e-6 }"),
    good=job(training="learning_rate_scheduler = cosine { minimum_learning_rate = 1e-6 }  steps = 1000"),
)
def constant_rate_has_no_minimum(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """minimum_learning_rate above 0 with a constant schedule."""
    scheduler = plan.training.scheduler
    if scheduler.kind == "constant" and scheduler.minimum_learning_rate > 0:
        yield rule.finding(
            f"minimum_learning_rate = {scheduler.minimum_learning_rate:g} has no effect: a constant rate does not fall",
            blamed(plan, f"{_SCHEDULER}.minimum_learning_rate"),
            "leave it out, or write linear or cosine",
        )


@plan_rule(
    "FT356",
    Severity.ERROR,
    "Adafactor does not run under FSDP2",
    "FSDP2 shards every matrix as a DTensor. transformers' Adafactor mixes its row and column factors, plain tensors,"
    " with DTensors; torch's takes the square of a partial norm in place. Either stops at the first step.",
    bad=job(training="stack = fsdp2  optimizer = adafactor"),
    good=job(training="stack = fsdp2  optimizer = adamw_8bit"),
)
def adafactor_sees_plain_tensors(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """adafactor on stack fsdp2."""
    if plan.training.optimizer.kind == "adafactor" and plan.training.stack == "fsdp2":
        yield rule.finding(
            "adafactor stops at the first step under FSDP2: it does not take sharded tensors",
            blamed(plan, _OPTIMIZER, "training.stack"),
            "write optimizer = adamw_8bit, or stack = ddp",
        )


_ON_DTENSORS = {"adamw_8bit": "torchao's AdamW8bit", "lion": "lion-pytorch's Lion"}


@plan_rule(
    "FT357",
    Severity.NOTE,
    "the optimizer that runs on sharded tensors is another package's",
    "bitsandbytes' kernels do not take the DTensors that FSDP2 makes of parameters. torchao's AdamW8bit does (it keeps"
    " a table of codes for each tensor, and does not quantize tensors that 256 does not divide), and lion-pytorch's"
    " Lion (its moment is as wide as the parameter).",
    bad=job(training="stack = fsdp2  optimizer = adamw_8bit"),
    good=job(training="stack = ddp  optimizer = adamw_8bit"),
)
def optimizer_takes_sharded_tensors(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """adamw_8bit and lion on stack fsdp2."""
    kind = plan.training.optimizer.kind
    if kind in _ON_DTENSORS and plan.training.stack == "fsdp2":
        yield rule.finding(
            f"{kind} under FSDP2 is {_ON_DTENSORS[kind]}: bitsandbytes' does not take sharded tensors",
            blamed(plan, _OPTIMIZER),
            f"pass {_ON_DTENSORS[kind]} to the trainer",
        )


@plan_rule(
    "FT358",
    Severity.ERROR,
    "paged moments need bitsandbytes",
    "bitsandbytes keeps the moments of a paged optimizer in managed memory, which the driver moves to the host where"
    " the GPU is full. Under FSDP2 8-bit AdamW is torchao's, which has no such thing.",
    bad=job(training="stack = fsdp2  optimizer = adamw_8bit { paged = true }"),
    good=job(training="stack = ddp  optimizer = adamw_8bit { paged = true }"),
)
def paged_moments_are_those_of_bitsandbytes(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """paged on stack fsdp2."""
    if plan.training.optimizer.paged and plan.training.stack == "fsdp2":
        yield rule.finding(
            "torchao's AdamW8bit, which runs under FSDP2, has no paged moments",
            blamed(plan, f"{_OPTIMIZER}.paged"),
            "remove it: FSDP2 shards the moments, or write stack = ddp",
        )
