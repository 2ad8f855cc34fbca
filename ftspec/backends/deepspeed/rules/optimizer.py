"""Optimizers and schedules that DeepSpeed's file cannot say."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.deepspeed.facts import on_cpu, uses_bf16_optimizer
from ftspec.backends.deepspeed.rules.registry import TARGET, deepspeed_rule
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.wording import blamed

_FLOOR = "learning_rate_scheduler = linear { warmup_steps = WARMUP  minimum_learning_rate = FLOOR }  steps = 1000"
_ON_A_CPU = """ft 1
model { num_hidden_layers = 2  hidden_size = 64  intermediate_size = 128  num_attention_heads = 4  vocab_size = 256 }
hardware { gpu = "cpu"  gpus_per_node = 2 }
training { sequence_length = 64  optimizer = OPTIMIZER }
parallelism { zero_stage = 1 }
target deepspeed {}
"""
_OPTIMIZER, _SCHEDULER = "training.optimizer", "training.learning_rate_scheduler"


@deepspeed_rule(
    "FT530",
    Severity.WARNING,
    "the training script must pass the optimizer",
    "DeepSpeed has no 8-bit optimizer of its own. The file has no `optimizer` block, and the training "
    "script passes bitsandbytes' AdamW8bit to "
    "`deepspeed.initialize`; the Hugging Face Trainer does with `optim = adamw_8bit`.",
    bad=job(training="optimizer = adamw_8bit", parallelism="zero_stage = 1") + TARGET,
    good=job(training="optimizer = adamw", parallelism="zero_stage = 1") + TARGET,
)
def script_passes_the_optimizer(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """adamw_8bit is not in DeepSpeed's file."""
    if plan.training.optimizer.kind == "adamw_8bit":
        message = "DeepSpeed has no adamw_8bit: the emitted file has no optimizer, and its settings are not in it"
        help = (
            "pass bitsandbytes.optim.AdamW8bit with these settings to deepspeed.initialize, or write optimizer = adamw"
        )
        yield rule.finding(message, blamed(plan, _OPTIMIZER), help)


@deepspeed_rule(
    "FT531",
    Severity.ERROR,
    "Adafactor does not factor under ZeRO",
    "ZeRO hands the optimizer one flat vector in place of the matrices, and Adafactor factors matrices "
    "only: it would keep a full second moment, "
    "and compute another update than the one that was asked for.",
    bad=job(training="optimizer = adafactor", parallelism="zero_stage = 2") + TARGET,
    good=job(training="optimizer = adafactor", parallelism="zero_stage = 0") + TARGET,
)
def adafactor_needs_matrices(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """adafactor needs zero_stage = 0."""
    if plan.training.optimizer.kind == "adafactor" and plan.parallelism.zero_stage > 0:
        message = (
            f"adafactor cannot factor its second moment at zero_stage = {plan.parallelism.zero_stage}, "
            "where it sees one flat vector"
        )
        yield rule.finding(
            message, blamed(plan, _OPTIMIZER, "parallelism.zero_stage"), "write zero_stage = 0, or optimizer = adamw"
        )


@deepspeed_rule(
    "FT532",
    Severity.ERROR,
    "the optimizer needs a GPU",
    "DeepSpeed's Lion is a GPU kernel, or with offload a CPU kernel over ZeRO's host partitions; without "
    "either there is none.",
    bad=_ON_A_CPU.replace("OPTIMIZER", "lion"),
    good=_ON_A_CPU.replace("OPTIMIZER", "adamw"),
)
def optimizer_runs_here(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """lion on a CPU needs offload; adamw_8bit a GPU."""
    kind = plan.training.optimizer.kind
    if on_cpu(plan) and (kind == "adamw_8bit" or (kind == "lion" and plan.parallelism.offload_optimizer == "none")):
        yield rule.finding(
            f"{kind} has no kernel for a CPU", blamed(plan, _OPTIMIZER, "hardware.gpu"), "write optimizer = adamw"
        )


@deepspeed_rule(
    "FT533",
    Severity.ERROR,
    "DeepSpeed cannot run Muon in this layout",
    "Muon works on whole matrices. With bf16 parameters and fp32 gradients at stage 1, DeepSpeed's "
    "BF16_Optimizer takes it for dense models under plain data "
    "parallelism only (deepspeed/runtime/bf16_optimizer.py).",
    bad=job(
        training="optimizer = muon { learning_rate = 0.02 }  global_batch_size = 64",
        precision="gradients = fp32",
        parallelism="pipeline = 2  zero_stage = 1",
    )
    + TARGET,
    good=job(training="optimizer = muon { learning_rate = 0.02 }", parallelism="zero_stage = 1") + TARGET,
)
def muon_sees_matrices(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Muon under BF16_Optimizer needs plain data parallelism."""
    if plan.training.optimizer.kind != "muon" or not uses_bf16_optimizer(plan):
        return
    layout = plan.parallelism
    parallel = (
        layout.tensor > 1 or layout.pipeline > 1 or layout.expert > 1 or plan.training.stack == "megatron_deepspeed"
    )
    if parallel or plan.precision.gradients != "fp32":
        message = (
            "DeepSpeed runs muon over bf16 parameters at this stage only with fp32 gradients, a dense "
            "model and plain data parallelism"
        )
        yield rule.finding(
            message,
            blamed(plan, _OPTIMIZER),
            "write optimizer = adamw, or zero_stage = 2 with gradients = bf16 and pipeline = 1",
        )


@deepspeed_rule(
    "FT540",
    Severity.ERROR,
    "the schedule needs to know how long the job is",
    "DeepSpeed's WarmupDecayLR and WarmupCosineLR have a required `total_num_steps`.",
    bad=job(training="learning_rate_scheduler = cosine { warmup_steps = 10 }") + TARGET,
    good=job(training="learning_rate_scheduler = cosine { warmup_steps = 10 }  steps = 1000") + TARGET,
)
def decay_has_an_end(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """linear and cosine need total_steps."""
    scheduler = plan.training.scheduler
    if scheduler.kind != "constant" and scheduler.total_steps is None:
        message = f"a {scheduler.kind} schedule needs the number of steps, and the job's length is open"
        help = "write training.steps (or tokens), or total_steps in the schedule"
        yield rule.finding(message, blamed(plan, _SCHEDULER), help)


@deepspeed_rule(
    "FT542",
    Severity.NOTE,
    "DeepSpeed warms up for two steps at least",
    "WarmupLR, WarmupDecayLR and WarmupCosineLR take `max(2, warmup_num_steps)` (deepspeed/runtime/lr_schedules.py). "
    "Without warm-up a cosine schedule is emitted with both steps at the peak, a linear one rises to it in two.",
    bad=job(training="learning_rate_scheduler = cosine  steps = 1000") + TARGET,
    good=job(training="learning_rate_scheduler = cosine { warmup_steps = 10 }  steps = 1000") + TARGET,
)
def warm_up_has_two_steps(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Fewer than two steps of warm-up become two."""
    scheduler = plan.training.scheduler
    if scheduler.warmup_steps >= 2 or (scheduler.kind == "constant" and scheduler.warmup_steps == 0):
        return
    message = (
        f"DeepSpeed's {scheduler.kind} schedule takes two steps to reach the peak rate, not {scheduler.warmup_steps}"
    )
    yield rule.finding(
        message, blamed(plan, f"{_SCHEDULER}.warmup_steps", _SCHEDULER), "write warmup_steps = 2 or more"
    )


@deepspeed_rule(
    "FT543",
    Severity.NOTE,
    "DeepSpeed's linear schedule warms up from its minimum",
    "WarmupDecayLR has one `warmup_min_lr`, from which it rises and to which it falls "
    "(deepspeed/runtime/lr_schedules.py); Megatron's schedule and DeepSpeed's cosine rise from 0. "
    "Without it the decay would end at 0 instead of the minimum.",
    bad=job(training=_FLOOR.replace("WARMUP", "100").replace("FLOOR", "1e-6")) + TARGET,
    good=job(training=_FLOOR.replace("WARMUP", "100").replace("FLOOR", "0.0")) + TARGET,
)
def linear_rises_from_its_minimum(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """A linear schedule with a minimum above 0."""
    scheduler = plan.training.scheduler
    if scheduler.kind == "linear" and scheduler.minimum_learning_rate > 0:
        message = (
            f"DeepSpeed's linear schedule also begins its warm-up at minimum_learning_rate = "
            f"{scheduler.minimum_learning_rate:g}, not at 0"
        )
        help = "write cosine, which rises from 0 and falls to the minimum, or leave the minimum out"
        yield rule.finding(message, blamed(plan, f"{_SCHEDULER}.minimum_learning_rate"), help)
