"""What offloading puts into a node's main memory: DeepSpeed's buffers, sizes worked out by hand."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.memory.estimate import estimate_memory
from ftspec.memory.host import host_memory
from ftspec.memory.host_model import HostMemory
from ftspec.pipeline import check_text
from ftspec.plan.model import Plan

JOB = """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "GPU"  nodes = NODES  gpus_per_node = 8 }
training { stack = STACK  activation_checkpointing = full  gradient_accumulation_steps = STEPS  METHOD }
parallelism { LAYOUT }
target deepspeed { nvme_path = "/nvme"  raw { zero_optimization { RAW } } }
"""
PARAMETERS = 8_030_261_248
GIB = 2**30


def plan_with(layout: str, **said: Any) -> Plan:
    words = {"GPU": "CPU", "NODES": 1, "STACK": "deepspeed", "STEPS": 1, "METHOD": "", "RAW": "", "LAYOUT": layout}
    text = JOB if said.get("STACK", "deepspeed") == "deepspeed" else JOB[: JOB.index("target")]
    for word, value in {**words, **said}.items():
        text = text.replace(word, str(value))
    (plan,) = check_text(text, "job.ft").plans
    return plan


def host_of(layout: str, **said: Any) -> HostMemory:
    return host_memory(plan_with(layout, **said))


def test_nothing_offloaded_is_nothing() -> None:
    assert host_of("zero_stage = 3") == HostMemory({}, 0, 0, None)


def test_zero_3_keeps_masters_moments_and_two_kinds_of_gradients() -> None:
    """On a CPU nothing is pinned, so the sizes are plain: 4 + 8 and gradients of 4 and of 2 bytes a parameter."""
    host = host_of("zero_stage = 3  offload { optimizer = cpu }")
    padded = 8 * -(-PARAMETERS // 8)
    assert host.terms["master_parameters"] == pytest.approx(4 * padded, rel=1e-6)
    assert host.terms["optimizer_states"] == pytest.approx(8 * padded, rel=1e-6)
    assert host.terms["gradients"] == pytest.approx(6 * padded, rel=1e-6)


def test_zero_2_stages_the_new_weights_and_one_gradient() -> None:
    host = host_of("zero_stage = 2  offload { optimizer = cpu }")
    assert host.terms["staging"] == pytest.approx(2 * PARAMETERS + 8 * 2 * 128256 * 4096, rel=1e-6)
    assert host.terms["gradients"] == pytest.approx(4 * PARAMETERS, rel=1e-6)


def test_gradients_wait_between_micro_batches() -> None:
    one, two = (host_of("zero_stage = 2  offload { optimizer = cpu }", STEPS=steps) for steps in (1, 2))
    assert two.bytes_per_node - one.bytes_per_node >= 2 * PARAMETERS
    assert two.terms["gradients"] - one.terms["gradients"] == two.bytes_per_node - one.bytes_per_node


def test_pinned_buffers_are_powers_of_two() -> None:
    """One buffer of 4 bytes for each of a rank's 1,003,782,656 parameters is 3.74 GiB, and takes 4."""
    host = host_of("zero_stage = 2  offload { optimizer = cpu }", GPU="H100-SXM5-80GB")
    assert host.terms["master_parameters"] == 8 * 4 * GIB
    plain = host_of(
        "zero_stage = 2  offload { optimizer = cpu }",
        GPU="H100-SXM5-80GB",
        RAW="offload_optimizer { pin_memory = false }",
    )
    assert plain.terms["master_parameters"] == pytest.approx(4 * PARAMETERS, rel=1e-6)


def test_nvme_takes_buffers_of_a_sub_group() -> None:
    """Four of 10⁸ elements, and a layer's largest tensor more; what is written: master, gradients and two moments."""
    host = host_of("zero_stage = 3  offload { optimizer = nvme }", RAW="sub_group_size = 100000000")
    elements = 10**8 + 14336 * 4096 // 8
    assert host.terms["staging"] == pytest.approx(8 * 4 * 4 * elements, rel=1e-4)
    assert host.nvme_bytes_per_node == pytest.approx(16 * PARAMETERS, rel=1e-6)


def test_nvme_parameters_stay_up_to_max_in_cpu() -> None:
    said = "zero_stage = 3  offload { optimizer = cpu  parameters = nvme }"
    host = host_of(said, RAW="offload_param { max_in_cpu = 250000000  buffer_count = 3  buffer_size = 60000000 }")
    assert host.terms["parameters"] == 8 * 2 * 250_000_000
    group = -(-PARAMETERS // 8)
    assert host.terms["staging"] == pytest.approx(8 * (3 * 2 * 60_000_000 + 2 * group), rel=1e-3)
    assert host.nvme_bytes_per_node == pytest.approx(2 * (PARAMETERS - 8 * 250_000_000), rel=1e-5)


def test_adapters_leave_little_to_an_offloaded_optimizer() -> None:
    host = host_of("zero_stage = 2  offload { optimizer = cpu }", METHOD="method = lora { rank = 8 }")
    assert 0 < host.bytes_per_node < GIB


def test_the_ratio_divides_the_optimizer_between_host_and_gpu() -> None:
    said = "zero_stage = 3  offload { optimizer = cpu }"
    raw = "sub_group_size = 10000000  offload_optimizer { ratio = RATIO }"
    halves, whole = (plan_with(said, RAW=raw.replace("RATIO", ratio)) for ratio in ("0.5", "1.0"))
    assert host_memory(halves).terms["optimizer_states"] == pytest.approx(
        host_memory(whole).terms["optimizer_states"] / 2, rel=0.05
    )
    kept, none = (estimate_memory(plan).fullest.terms["optimizer_states"] for plan in (halves, whole))
    assert none == 0
    assert kept == pytest.approx(PARAMETERS / 2, rel=0.01)


@pytest.mark.parametrize(
    ("stack", "layout", "each"),
    [
        ("fsdp2", "offload { optimizer = cpu  parameters = cpu }", 2 + 2 + 2 * 2),
        ("megatron", "tensor = 8  offload { optimizer = cpu }", 4 + 4 + 8),
    ],
)
def test_other_stacks_keep_what_they_offload(stack: str, layout: str, each: int) -> None:
    host = host_of(layout, GPU="H100-SXM5-80GB", STACK=stack)
    assert host.bytes_per_node == pytest.approx(each * PARAMETERS, rel=2e-3)


@settings(max_examples=40, deadline=None)
@given(
    stage=st.sampled_from([1, 2, 3]),
    nodes=st.sampled_from([1, 2, 4]),
    steps=st.sampled_from([1, 4]),
    device=st.sampled_from(["cpu", "nvme"]),
)
def test_laws_of_the_host(stage: int, nodes: int, steps: int, device: str) -> None:
    """No term is negative, they sum up, and more nodes never need more memory each."""
    layout = f"zero_stage = {stage}  offload {{ optimizer = {device} }}"
    few, many = (host_of(layout, NODES=count, STEPS=steps) for count in (nodes, 2 * nodes))
    assert min(few.terms.values()) >= 0
    assert sum(few.terms.values()) == few.bytes_per_node
    assert many.bytes_per_node <= few.bytes_per_node
