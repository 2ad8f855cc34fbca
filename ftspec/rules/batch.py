"""Rules over the batch: samples of a step = micro-batch × accumulation × data."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Fix, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import divisors, multiplies_out, nearest, neighbours
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either, replacing
from ftspec.spec.kinds import COUNT

_MICRO, _GLOBAL, _STEPS = (
    "training.micro_batch_size",
    "training.global_batch_size",
    "training.gradient_accumulation_steps",
)


@plan_rule(
    "FT280",
    Severity.ERROR,
    "the batch does not multiply out",
    "One optimizer step sees global_batch_size = micro_batch_size × gradient_accumulation_steps × data samples."
    " DeepSpeed and Megatron refuse numbers that disagree.",
    bad=job(training="micro_batch_size = 2  gradient_accumulation_steps = 3  global_batch_size = 64"),
    good=job(training="micro_batch_size = 2  gradient_accumulation_steps = 4  global_batch_size = 64"),
)
def batch_multiplies_out(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """global = micro × accumulation × data; silent where the layout itself is wrong."""
    training, data = plan.training, plan.parallelism.data
    micro, steps, total = training.micro_batch_size, training.gradient_accumulation_steps, training.global_batch_size
    if micro * steps * data == total or not multiplies_out(plan):
        return
    if plan.given(_STEPS):
        message = (
            f"micro_batch_size {micro} × gradient_accumulation_steps {steps} × data {data} = {micro * steps * data},"
            f" but global_batch_size is {total}"
        )
    else:
        message = (
            f"global_batch_size = {total} does not divide by micro_batch_size {micro} × data {data} = {micro * data}"
        )
    helps = [*_steps_that_work(plan), f"global_batch_size = {either(_totals_that_work(plan))}"]
    yield rule.finding(message, blamed(plan, _GLOBAL, _STEPS, _MICRO), f"write {', or '.join(helps)}", _fix(plan))


def _steps_that_work(plan: Plan) -> list[str]:
    """The accumulation that the global batch asks for, or else the micro-batches that divide it."""
    training, data = plan.training, plan.parallelism.data
    if training.global_batch_size % (training.micro_batch_size * data) == 0:
        return [f"gradient_accumulation_steps = {training.global_batch_size // (training.micro_batch_size * data)}"]
    if training.global_batch_size % data or plan.given(_STEPS):
        return []
    return [
        f"micro_batch_size = {either(nearest(divisors(training.global_batch_size // data), training.micro_batch_size))}"
    ]


def _totals_that_work(plan: Plan) -> list[int]:
    training, data = plan.training, plan.parallelism.data
    if plan.given(_STEPS):
        return [training.micro_batch_size * training.gradient_accumulation_steps * data]
    totals = neighbours(training.global_batch_size, training.micro_batch_size * data)
    return [total for total in totals if total <= (COUNT.maximum or total)] or [training.micro_batch_size * data]


def _fix(plan: Plan) -> Fix | None:
    training, data = plan.training, plan.parallelism.data
    steps, rest = divmod(training.global_batch_size, training.micro_batch_size * data)
    return replacing(plan, _STEPS, steps) if rest == 0 and steps else None
