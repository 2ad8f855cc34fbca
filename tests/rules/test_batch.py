"""The batch triple."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.rules.example import job
from tests.rules.checking import applied, errors, findings


def test_triple_that_disagrees_shows_both_sides_and_what_would_work() -> None:
    finding = findings(training="micro_batch_size = 2  gradient_accumulation_steps = 3  global_batch_size = 64")[
        "FT280"
    ]
    assert "2 × gradient_accumulation_steps 3 × data 8 = 48, but global_batch_size is 64" in finding.message
    assert finding.help == "write gradient_accumulation_steps = 4, or global_batch_size = 48"


def test_fix_makes_the_triple_agree() -> None:
    blocks = {"training": "micro_batch_size = 2  gradient_accumulation_steps = 3  global_batch_size = 64"}
    fix = findings(**blocks)["FT280"].fix
    assert fix is not None
    repaired = applied(job(**blocks), fix.edits)
    assert "gradient_accumulation_steps = 4 " in repaired


def test_a_batch_that_does_not_divide_offers_its_neighbours() -> None:
    finding = findings(training="micro_batch_size = 4  global_batch_size = 72")["FT280"]
    assert "72 does not divide by micro_batch_size 4 × data 8 = 32" in finding.message
    assert finding.help == "write micro_batch_size = 1, 3 or 9, or global_batch_size = 64 or 96"


def test_a_batch_smaller_than_the_replicas() -> None:
    finding = findings(training="global_batch_size = 4")["FT280"]
    assert finding.help == "write global_batch_size = 8"


@settings(max_examples=60, deadline=None)
@given(
    micro=st.integers(1, 9),
    steps=st.integers(1, 9),
    total=st.integers(1, 300),
    layout=st.sampled_from(["tensor = 1", "tensor = 2", "tensor = 8"]),
)
def test_the_rule_says_exactly_whether_the_triple_multiplies_out(
    micro: int, steps: int, total: int, layout: str
) -> None:
    data = 8 // int(layout[-1])
    found = errors(
        training=(
            f"stack = megatron  sequence_length = 128  micro_batch_size = {micro}  gradient_accumulation_steps ="
            f" {steps}  global_batch_size = {total}"
        ),
        parallelism=layout,
    )
    assert ("FT280" in found) is (micro * steps * data != total)


@pytest.mark.parametrize(
    "written", ["global_batch_size = 64", "gradient_accumulation_steps = 3", "micro_batch_size = 2", ""]
)
def test_what_is_left_out_follows(written: str) -> None:
    assert "FT280" not in errors(training=f"sequence_length = 512  {written}")
