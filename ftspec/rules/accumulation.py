"""Rules over gradients that are accumulated over several micro-batches."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.memory.estimate import sections_of
from ftspec.memory.holdings import replicas, trained_elements
from ftspec.memory.kinds import kinds_of
from ftspec.memory.step.frame import reduced_width
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, gibibytes

_EIGHT_GPUS = 'gpu = "H100-SXM5-80GB"  gpus_per_node = 8'


@plan_rule(
    "FT405",
    Severity.NOTE,
    "FSDP2 may accumulate whole gradients",
    "The estimate is that of a loop that reduces gradients after every micro-batch, as torchtitan's does: each rank"
    " then holds its shard of them. A loop that reduces only after the last one holds the gradients of the whole model"
    " on every rank until then: accelerate's `accumulate`, and with it Hugging Face's Trainer, does so unless"
    " `sync_each_batch` is set (accelerate/accelerator.py, `no_sync`; torch/distributed/fsdp/_fully_shard/"
    "_fsdp_param.py, `unsharded_accumulated_grad`).",
    bad=job(hardware=_EIGHT_GPUS, training="stack = fsdp2  gradient_accumulation_steps = 4"),
    good=job(hardware=_EIGHT_GPUS, training="stack = fsdp2  gradient_accumulation_steps = 1"),
)
def fsdp2_reduces_after_each_micro_batch(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Accumulation under FSDP2 without pipeline stages, which hold whole gradients anyway."""
    layout, steps = plan.parallelism, plan.training.gradient_accumulation_steps
    if plan.training.stack != "fsdp2" or steps == 1 or layout.pipeline > 1 or replicas(plan).dense == 1:
        return
    kinds = kinds_of(plan)
    ((section, _),) = sections_of(plan, kinds)
    whole = trained_elements(plan, kinds, section) * reduced_width(plan)
    yield rule.finding(
        f"the estimate reduces gradients after each of {steps} micro-batches; a loop that reduces them after the last"
        f" one alone holds {gibibytes(whole)} of whole gradients on each GPU",
        blamed(plan, "training.gradient_accumulation_steps", "training.global_batch_size", "training"),
        "with Hugging Face's Trainer or accelerate, set sync_each_batch = true in gradient_accumulation_kwargs",
    )
