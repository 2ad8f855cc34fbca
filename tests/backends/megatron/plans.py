"""Plans for the tests of this target, resolved from typed specs."""

from typing import Any

from ftspec.backends.base import TargetOptions
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.core.source import Span
from ftspec.plan.model import Plan, Stack
from ftspec.plan.resolve import resolve
from ftspec.spec.document import Document
from ftspec.spec.model import Hardware, Model, Parallelism, Precision, Spec, Training

TARGET_SPAN = Span(9, 1, 9, 9)


def make_plan(
    *,
    model: Model | None = None,
    hardware: Hardware | None = None,
    precision: Precision | None = None,
    training: Training | None = None,
    parallelism: Parallelism | None = None,
    stack: Stack = "megatron",
    name: str = "job",
) -> Plan:
    """A plan of Llama 3.2 1B on 8 H100s, but for what is given."""
    spec = Spec(
        name=name,
        model=model or Model(from_="meta-llama/Llama-3.2-1B"),
        hardware=hardware or Hardware(gpu="H100-SXM5-80GB", nodes=1, gpus_per_node=8),
        precision=precision or Precision(),
        training=training or Training(steps=1000),
        parallelism=parallelism or Parallelism(),
    )
    plan, findings = resolve(Document("job.ft", spec, {}, (), (), (), ()), stack)
    assert plan is not None, findings
    return plan


def make_target(raw: dict[str, Any] | None = None, **options: Any) -> TargetOptions:
    """A target block with some options and raw keys."""
    return TargetOptions(MegatronOptions(**options), raw or {}, {}, TARGET_SPAN)
