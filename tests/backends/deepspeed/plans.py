"""Plans and targets to test with, built from typed specs, without a text."""

from collections.abc import Mapping
from typing import Any

from ftspec.backends.base import TargetOptions
from ftspec.backends.deepspeed.options import DeepSpeedOptions
from ftspec.core.source import START, Place
from ftspec.plan.model import Plan
from ftspec.plan.resolve import resolve
from ftspec.spec.document import Document
from ftspec.spec.model import Hardware, Model, Parallelism, Precision, Spec, Training

TINY = Model(
    num_hidden_layers=2,
    hidden_size=63,
    intermediate_size=173,
    num_attention_heads=3,
    num_key_value_heads=1,
    head_dim=22,
    vocab_size=251,
    max_position_embeddings=64,
    tie_word_embeddings=False,
)
"""Odd widths, so that every kind of padding occurs."""
LLAMA_1B = Model(from_="meta-llama/Llama-3.2-1B")
EIGHT_H100 = Hardware(gpu="H100-SXM5-80GB", nodes=1, gpus_per_node=8)


def plan_of(
    *,
    model: Model = LLAMA_1B,
    hardware: Hardware = EIGHT_H100,
    precision: Precision | None = None,
    training: Training | None = None,
    parallelism: Parallelism | None = None,
) -> Plan:
    """The plan of a typed spec."""
    training = training or Training()
    spec = Spec("job", model, hardware, precision or Precision(), training, parallelism or Parallelism())
    plan, findings = resolve(Document("job.ft", spec, {}, (), (), (), ()), training.stack or "deepspeed")
    assert plan is not None, findings
    return plan


def cpu_plan(*, processes: int = 2, **blocks: Any) -> Plan:
    """A plan of the tiny model on CPU processes."""
    return plan_of(model=TINY, hardware=Hardware(gpu="CPU", nodes=1, gpus_per_node=processes), **blocks)


def target_of(
    raw: Mapping[str, Any] | None = None, places: Mapping[str, Place] | None = None, **options: Any
) -> TargetOptions:
    """A `target deepspeed` block."""
    return TargetOptions(DeepSpeedOptions(**options), raw or {}, places or {}, START)
