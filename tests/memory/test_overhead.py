"""What the process takes beyond its tensors."""

from dataclasses import replace

import pytest

from ftspec.catalog.hardware import Accelerator
from ftspec.catalog.load_hardware import find_accelerator
from ftspec.memory.overhead import cublas_workspace, fragmentation, framework_overhead, unmodelled
from ftspec.plan.model import Stack
from tests.memory.plans import plan_of

GIB = 2**30


@pytest.mark.parametrize(
    ("gpu", "mib"),
    [("A100-SXM4-80GB", 8), ("H100-SXM5-80GB", 32), ("B200-SXM6-180GB", 32), ("RTX-PRO-6000-Blackwell", 32)],
)
def test_hopper_and_blackwell_have_a_large_workspace(gpu: str, mib: int) -> None:
    plan = plan_of()
    accelerator = find_accelerator(gpu)
    assert isinstance(accelerator, Accelerator)
    workspace = cublas_workspace(replace(plan, hardware=replace(plan.hardware, accelerator=accelerator)))
    assert workspace // 2**20 == mib


@pytest.mark.parametrize("stack", ["ddp", "fsdp2", "deepspeed", "megatron", "megatron_deepspeed"])
def test_only_megatron_deepspeed_has_a_fit_beside_fragmentation(stack: Stack) -> None:
    plan = plan_of(stack)
    beside, fitted = fragmentation(plan, GIB), unmodelled(plan, GIB)
    assert beside == fragmentation(plan_of("ddp"), GIB)
    assert (fitted > 0) == (stack == "megatron_deepspeed")
    assert framework_overhead(plan, 1000, GIB) == 1000 + beside + fitted
