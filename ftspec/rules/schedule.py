"""Rules over the pipeline's schedule and its bubble."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.arithmetic import neighbours
from ftspec.rules.example import DEEP_LLAMA, job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, either

_SCHEDULE, _VIRTUAL, _PIPELINE = "parallelism.schedule", "parallelism.virtual_pipeline", "parallelism.pipeline"
_STEPS, _GLOBAL = "training.gradient_accumulation_steps", "training.global_batch_size"
LARGE_BUBBLE = 0.25
"""From here the idle share of a pipeline is worth a warning."""


@plan_rule(
    "FT230",
    Severity.ERROR,
    "virtual stages without a pipeline",
    "Virtual stages interleave the chunks of several pipeline stages; with one stage there is nothing to interleave"
    " (megatron/core/parallel_state.py).",
    bad=job(training="stack = megatron", parallelism="pipeline = 1  virtual_pipeline = 2"),
    good=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 32",
        parallelism="pipeline = 4  virtual_pipeline = 2",
    ),
)
def virtual_stages_need_a_pipeline(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """virtual_pipeline > 1 with pipeline = 1."""
    layout = plan.parallelism
    if layout.virtual_pipeline > 1 and layout.pipeline == 1:
        yield rule.finding(
            f"virtual_pipeline = {layout.virtual_pipeline} interleaves pipeline stages, and pipeline is 1",
            blamed(plan, _VIRTUAL),
            "write virtual_pipeline = 1, or pipeline = 2 or more",
        )


@plan_rule(
    "FT231",
    Severity.ERROR,
    "the schedule contradicts virtual_pipeline",
    "The interleaved schedule is the one with virtual stages; 1f1b and gpipe have none.",
    bad=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 32",
        parallelism="pipeline = 4  schedule = interleaved",
    ),
    good=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 32",
        parallelism="pipeline = 4  virtual_pipeline = 2  schedule = interleaved",
    ),
)
def schedule_agrees_with_virtual_stages(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """schedule = interleaved needs chunks; 1f1b and gpipe have one chunk a stage."""
    layout = plan.parallelism
    if layout.pipeline == 1 or (layout.schedule == "interleaved") == (layout.virtual_pipeline > 1):
        return
    if layout.schedule == "interleaved":
        message, help = (
            "schedule = interleaved, but each stage has one chunk of layers",
            "write virtual_pipeline = 2 or more, or schedule = 1f1b",
        )
    else:
        message = (
            f"schedule = {layout.schedule} has one chunk of layers a stage, but virtual_pipeline ="
            f" {layout.virtual_pipeline}"
        )
        help = "write schedule = interleaved, or virtual_pipeline = 1"
    yield rule.finding(message, blamed(plan, _SCHEDULE, _VIRTUAL), help)


@plan_rule(
    "FT232",
    Severity.WARNING,
    "a schedule without a pipeline",
    "The schedule orders the micro-batches over pipeline stages; with one stage it says nothing.",
    bad=job(training="stack = deepspeed", parallelism="schedule = 1f1b"),
    good=job(
        model=DEEP_LLAMA,
        training="stack = deepspeed  global_batch_size = 32",
        parallelism="pipeline = 4  schedule = 1f1b",
    ),
)
def schedule_needs_a_pipeline(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """A written schedule with pipeline = 1."""
    layout = plan.parallelism
    if plan.given(_SCHEDULE) and layout.pipeline == 1 and layout.virtual_pipeline == 1:
        yield rule.finding(
            f"schedule = {layout.schedule} has no effect: pipeline is 1",
            blamed(plan, _SCHEDULE),
            "leave it out, or write pipeline = 2 or more",
        )


@plan_rule(
    "FT233",
    Severity.ERROR,
    "no stack runs the gpipe schedule",
    "Megatron and DeepSpeed run 1F1B, which keeps at most `pipeline` micro-batches in flight; GPipe keeps all of them"
    " and is estimated so.",
    bad=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 16",
        parallelism="pipeline = 4  schedule = gpipe",
    ),
    good=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 32",
        parallelism="pipeline = 4  schedule = 1f1b",
    ),
)
def gpipe_is_not_run(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """schedule = gpipe."""
    if plan.parallelism.schedule == "gpipe" and plan.parallelism.pipeline > 1:
        yield rule.finding(
            f"{plan.training.stack} has no gpipe schedule; all {plan.training.gradient_accumulation_steps}"
            " micro-batches would be in flight",
            blamed(plan, _SCHEDULE),
            "write schedule = 1f1b",
        )


@plan_rule(
    "FT234",
    Severity.ERROR,
    "the interleaved schedule's micro-batches are no multiple of the pipeline",
    "The interleaved schedule runs micro-batches in groups of `pipeline`, and Megatron refuses a group that is not"
    " full (megatron/core/pipeline_parallel/schedules.py).",
    bad=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 12",
        parallelism="pipeline = 4  virtual_pipeline = 2",
    ),
    good=job(
        model=DEEP_LLAMA,
        training="stack = megatron  global_batch_size = 32",
        parallelism="pipeline = 4  virtual_pipeline = 2",
    ),
)
def interleaved_groups_are_full(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Micro-batches by pipeline under the interleaved schedule."""
    layout, training = plan.parallelism, plan.training
    steps = training.gradient_accumulation_steps
    if layout.pipeline == 1 or layout.virtual_pipeline == 1 or steps % layout.pipeline == 0:
        return
    works = neighbours(steps, layout.pipeline)
    yield rule.finding(
        f"{steps} micro-batches a step are not a multiple of pipeline = {layout.pipeline}, as the interleaved"
        " schedule needs",
        blamed(plan, _GLOBAL, _STEPS, _VIRTUAL),
        _write_steps(plan, works),
    )


def _write_steps(plan: Plan, counts: list[int]) -> str:
    """What to write for so many micro-batches a step: the batch, or the accumulation where that is what is written."""
    samples = plan.training.micro_batch_size * plan.parallelism.data
    totals = f"global_batch_size = {either([count * samples for count in counts])}"
    if not plan.given(_STEPS):
        return f"write {totals} ({either(counts)} micro-batches)"
    beside = f" with {totals}" if plan.given(_GLOBAL) else ""
    return f"write gradient_accumulation_steps = {either(counts)}{beside}"


def bubble_fraction(plan: Plan) -> float:
    """The idle share of a step: (p-1) / (v·m + p-1) for p stages, m micro-batches, v chunks a stage
    (Narayanan et al. 2021, section 2.2, whose bubble is given over the ideal time instead).
    """
    layout = plan.parallelism
    work = layout.virtual_pipeline * plan.training.gradient_accumulation_steps
    return (layout.pipeline - 1) / (work + layout.pipeline - 1)


@plan_rule(
    "FT235",
    Severity.WARNING,
    "the pipeline's bubble is large",
    "A pipeline fills and drains once a step: of every m + p - 1 slots each of p stages idles in p - 1. Many"
    " micro-batches a step make that small; with fewer than stages some stages never work side by side.",
    bad=job(model=DEEP_LLAMA, training="global_batch_size = 8", parallelism="pipeline = 4"),
    good=job(model=DEEP_LLAMA, training="global_batch_size = 32", parallelism="pipeline = 4"),
)
def bubble_is_small(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Micro-batches against pipeline depth."""
    layout, training = plan.parallelism, plan.training
    bubble, stages, steps = bubble_fraction(plan), layout.pipeline, training.gradient_accumulation_steps
    if layout.pipeline == 1 or layout.pipeline > plan.model.shape.num_hidden_layers or bubble < LARGE_BUBBLE:
        return
    virtual = layout.virtual_pipeline
    work = f"{virtual}·{steps}" if virtual > 1 else f"{steps}"
    wanted = -(-9 * (stages - 1) // virtual)  # a tenth idle: v·m = 9 (p - 1)
    wanted = -(-wanted // stages) * stages
    fewer = f", fewer than its {stages} stages" if steps < stages else ""
    batches = f"{steps} micro-batch{'es' if steps > 1 else ''}"
    yield rule.finding(
        f"with {batches} a step{fewer}, pipeline = {stages} idles {bubble:.0%} of the time: "
        f"(p-1)/(m+p-1) = {stages - 1}/({work}+{stages - 1})",
        blamed(plan, _PIPELINE, _STEPS, _GLOBAL),
        f"{_write_steps(plan, [wanted])} for a tenth idle, or a smaller pipeline",
    )
