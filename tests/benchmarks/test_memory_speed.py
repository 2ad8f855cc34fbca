"""What the speed of estimates is measured on: legal layouts, and plans that are estimated. No time is looked at."""

import numpy
import pytest

from benchmarks.layouts import GPUS, columns, job
from benchmarks.memory_speed import microseconds, plans, variations
from ftspec.memory.batch import estimate_batch
from ftspec.memory.estimate import estimate_memory


def test_every_layout_uses_all_gpus_and_makes_up_the_batch() -> None:
    layouts = columns(job())
    axes = [layouts[f"parallelism.{name}"] for name in ("tensor", "pipeline", "context", "data")]
    assert (numpy.prod(axes, axis=0) == GPUS).all()
    micro = layouts["training.micro_batch_size"] * layouts["training.gradient_accumulation_steps"]
    assert (micro * layouts["parallelism.data"] == layouts["training.global_batch_size"]).all()
    distinct = set(zip(*(values.tolist() for values in layouts.values()), strict=True))
    assert len(distinct) == len(axes[0]) > 10_000


def test_lengths_multiply_the_layouts() -> None:
    one, two = (columns(job(), lengths, gpus=64) for lengths in ((8192,), (8192, 16384)))
    assert len(two["parallelism.tensor"]) == 2 * len(one["parallelism.tensor"])
    assert (estimate_batch(job(), two).allocated_peak_bytes > 0).all()


@pytest.mark.parametrize("name", list(plans()))
def test_the_variations_are_different_jobs(name: str) -> None:
    several = list(variations(plans()[name], 3))
    peaks = [estimate_memory(each).peak_bytes for each in several]
    assert sorted(set(peaks)) == peaks
    assert microseconds(estimate_memory, several) > 0
