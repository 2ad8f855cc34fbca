"""What is said of a job that does not fit."""

import pytest

from ftspec.memory.estimate import estimate_memory
from ftspec.memory.estimate_model import MemoryEstimate, StageMemory
from ftspec.pipeline import check_text
from ftspec.rules.example import job
from ftspec.rules.memory import FIT_CODES, memory_findings
from tests.rules.checking import findings, plan_of

LLAMA_8B = 'from = "meta-llama/Llama-3.1-8B"'
TOO_LARGE = {"model": LLAMA_8B, "training": "stack = deepspeed", "parallelism": "zero_stage = 0"}


def test_terms_capacity_and_states_are_shown() -> None:
    message = findings(**TOO_LARGE)["FT401"].message
    assert "parameters 15.0 GiB" in message
    assert "optimizer states 59.8 GiB" in message
    assert "H100-SXM5-80GB has 79" in message
    assert "too little" in message
    assert "States alone are" in message
    assert "2 parameter + " in message
    assert "4 fp32 master + 8 moments" in message


def test_states_of_full_fine_tuning_are_16_bytes_with_16_bit_gradients() -> None:
    message = findings(**TOO_LARGE, precision="compute = bf16  gradients = bf16")["FT401"].message
    assert "States alone are 16 bytes a parameter" in message
    assert "128 GB over all GPUs" in message  # 8,030,261,248 × 16


def test_only_not_fitting_is_exit_code_3() -> None:
    assert check_text(job(**TOO_LARGE), "job.ft").exit_code == 3
    assert "FT401" in FIT_CODES


def test_ways_out_are_things_to_write() -> None:
    help = findings(**TOO_LARGE)["FT401"].help
    assert help is not None
    assert help.startswith("what makes it fit: ")
    for way in ("zero_stage = 3", "method = lora { rank = 16 }"):
        assert way in help


def test_a_way_out_works() -> None:
    fitting = {
        **TOO_LARGE,
        "training": "stack = deepspeed  activation_checkpointing = full",
        "parallelism": "zero_stage = 3",
    }
    assert "FT401" not in findings(**fitting)


def test_lora_of_the_same_model_is_not_told_of_full_states() -> None:
    found = findings(
        **{**TOO_LARGE, "training": "stack = deepspeed  sequence_length = 128Ki  method = lora { rank = 8 }"}
    )
    assert "States alone" not in found["FT401"].message


@pytest.mark.parametrize(("verdict", "code"), [("fits", None), ("borderline", "FT402"), ("does_not_fit", "FT401")])
def test_one_finding_for_a_verdict(verdict: str, code: str | None) -> None:
    plan = plan_of()
    real = estimate_memory(plan)
    stage = real.fullest
    size = real.capacity_bytes
    forced = StageMemory(0, stage.phase, stage.terms, size, size)
    estimate = MemoryEstimate(verdict, real.capacity_bytes, size, (size - 1, size + 1), (forced,), real.host)  # type: ignore[arg-type]
    assert [finding.code for finding in memory_findings(plan, estimate)] == ([code] if code else [])


def test_the_fullest_stage_is_named() -> None:
    message = findings(
        model='from = "meta-llama/Llama-3.1-70B"',
        training="stack = megatron  global_batch_size = 32",
        parallelism="tensor = 2  pipeline = 4",
    )["FT401"].message
    assert message.startswith("pipeline stage ")


@pytest.mark.parametrize(("host", "refused"), [("64GB", True), ("1TB", False)])
def test_host_memory_holds_what_is_offloaded(host: str, refused: bool) -> None:
    found = findings(
        model=LLAMA_8B,
        hardware=f'gpu = "H100-SXM5-80GB"  host_memory = {host}',
        training="stack = deepspeed  activation_checkpointing = full",
        parallelism="zero_stage = 3  offload { optimizer = cpu }",
    )
    assert ("FT403" in found) is refused
    if refused:
        assert found["FT403"].message.startswith("each node needs 137.7 GiB of main memory for what is offloaded")
        assert found["FT403"].help == "use 4 nodes"


def test_what_muon_holds_is_what_the_table_says() -> None:
    """DeepSpeed's ZeRO 1 keeps Adam's two moments of embedding and head beside one of every matrix."""
    found = findings(
        model='from = "meta-llama/Llama-3.1-70B"',
        training="stack = deepspeed  optimizer = muon",
        parallelism="zero_stage = 1",
        precision="compute = bf16  gradients = bf16",
    )
    plan = plan_of(
        model='from = "meta-llama/Llama-3.1-70B"',
        training="stack = deepspeed  optimizer = muon",
        parallelism="zero_stage = 1",
        precision="compute = bf16  gradients = bf16",
    )
    held = 8 * estimate_memory(plan).fullest.terms["optimizer_states"] / plan.model.parameters
    assert held > 4.1
    assert f"4 fp32 master + {held:.1f} moments" in found["FT401"].message
