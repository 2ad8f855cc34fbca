"""What was written and is not in DeepSpeed's file: said once, with who must carry it."""

from collections.abc import Iterator

from ftspec.backends.base import TargetOptions
from ftspec.backends.deepspeed.facts import counted_batch, shards_layers_itself
from ftspec.backends.deepspeed.rules.registry import TARGET, deepspeed_rule
from ftspec.backends.deepspeed.uncarried import Uncarried, uncarried_fields
from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.wording import blamed


@deepspeed_rule(
    "FT556",
    Severity.NOTE,
    "DeepSpeed's file does not carry all that is written",
    "The file configures DeepSpeed's engine. The model, the adapters, the data and the processes are the training "
    "script's and the launcher's, or Megatron's arguments; what is written about them here must be told to them too.",
    bad=job(training="sequence_length = 2Ki  seed = 7  global_batch_size = 64") + TARGET,
    good=job(training="global_batch_size = 64", parallelism="zero_stage = 2") + TARGET,
)
def all_that_is_written_is_carried(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """Written settings that are in no key of the file."""
    fields = uncarried_fields(plan)
    if not fields:
        return
    groups: dict[str, list[str]] = {}
    for each in fields:
        groups.setdefault(each.instead, []).append(_shown(each))
    listed = "; ".join(f"{', '.join(names)} ({instead})" for instead, names in groups.items())
    yield rule.finding(
        f"not in DeepSpeed's file: {listed}",
        blamed(plan, fields[0].field),
        "see that the training script and its launcher have the same values",
    )


def _shown(written: Uncarried) -> str:
    """`tensor = 4`, `method.rank = 8`; a list, or what follows from the field, only by name."""
    name = written.field.partition(".")[2]
    if name == "epochs" or not isinstance(written.value, int | float | str):
        return name
    value = str(written.value).lower() if isinstance(written.value, bool) else written.value
    return f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"


@deepspeed_rule(
    "FT557",
    Severity.NOTE,
    "DeepSpeed shows another batch size under AutoTP",
    "Without an mpu DeepSpeed counts every process as data parallel (deepspeed/runtime/config.py, "
    "`DeepSpeedConfig.__init__`) and refuses the true `train_batch_size`. The file leaves it to be derived from the "
    "other two: what DeepSpeed prints is `tensor` times the samples of a step.",
    bad=job(training="global_batch_size = 32  micro_batch_size = 2", parallelism="tensor = 2  zero_stage = 1") + TARGET,
    good=job(training="global_batch_size = 32  micro_batch_size = 2", parallelism="zero_stage = 1") + TARGET,
)
def batch_is_counted_over_all_processes(rule: Rule, plan: Plan, target: TargetOptions) -> Iterator[Finding]:
    """train_batch_size is left out under AutoTP."""
    if not shards_layers_itself(plan):
        return
    training = plan.training
    product = f"{training.micro_batch_size} × {training.gradient_accumulation_steps} × {plan.hardware.world_size}"
    yield rule.finding(
        f"global_batch_size = {training.global_batch_size} is not in DeepSpeed's file: under AutoTP it counts all "
        f"{plan.hardware.world_size} processes as data parallel and shows train_batch_size = {counted_batch(plan)} "
        f"({product})",
        blamed(plan, "training.global_batch_size", "parallelism.tensor"),
        f"a step still has {training.global_batch_size} samples: the {plan.parallelism.tensor} processes of a tensor "
        "group must read the same ones",
    )
