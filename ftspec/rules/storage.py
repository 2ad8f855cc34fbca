"""Rules over storage: whether checkpoints can be written as often as asked."""

from collections.abc import Iterator

from ftspec.core.finding import Finding, Severity
from ftspec.core.rule import Rule
from ftspec.plan.model import Plan
from ftspec.rules.example import job
from ftspec.rules.registry import plan_rule
from ftspec.rules.wording import blamed, gigabytes, gigabytes_per_second

_EVERY = "storage.checkpoint.every"
_CHECKPOINT_BYTES = 14
"""Bytes of a parameter in a checkpoint that can be resumed: 2 for the weights, 12 for the fp32 copy and Adam's moments
(Rajbhandari et al. 2020, section 3.1)."""


@plan_rule(
    "FT380",
    Severity.WARNING,
    "checkpoints take a large part of the time between them",
    "A checkpoint that can be resumed holds weights, fp32 copy and moments: 14 bytes a trained parameter. While it is"
    " written training waits, or with asynchronous saving the next one does.",
    bad=job(storage="write_bandwidth = 0.1GB/s  checkpoint { every = 10min }"),
    good=job(storage="write_bandwidth = 2GB/s  checkpoint { every = 30min }"),
)
def checkpoints_are_quick(rule: Rule, plan: Plan) -> Iterator[Finding]:
    """Size of a checkpoint over write bandwidth, against a tenth of the interval."""
    bandwidth, every = plan.storage.write_bandwidth, plan.storage.checkpoint_every_seconds
    if bandwidth is None or every is None or plan.training.method.kind != "full":
        return
    size = plan.model.parameters * _CHECKPOINT_BYTES
    seconds = size / bandwidth
    if seconds > every / 10:
        yield rule.finding(
            f"a checkpoint of {gigabytes(size)} takes {seconds:,.0f} s at {gigabytes_per_second(bandwidth)},"
            f" {seconds / every:.0%} of the {every:,.0f} s between two",
            blamed(plan, _EVERY),
            f"write every = {-(-seconds * 10 // 60):.0f}min or more, or use faster storage",
        )
