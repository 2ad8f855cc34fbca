"""The estimate against published peaks and out-of-memory outcomes: some that are kept here, and all of the reference's
where it lies beside the checkout.
"""

from pathlib import Path

import pytest

from benchmarks.memory_published import PUBLISHED, summary
from benchmarks.published.blocks import Row, accelerator
from benchmarks.published.comparison import Comparison, compare, comparisons, read_rows
from benchmarks.published.stated import CONFIGURATION, FIGURE, kind_of, reasons
from benchmarks.published.text import Word, spec_text

KEPT = read_rows(Path(__file__).with_name("published.json"))


@pytest.fixture(scope="module")
def found() -> list[Comparison]:
    if not PUBLISHED.exists():
        pytest.skip("no reference data beside the checkout")
    return list(comparisons(read_rows(PUBLISHED)))


@pytest.mark.parametrize("row", KEPT, ids=[row["id"] for row in KEPT])
def test_a_kept_row(row: Row) -> None:
    """A measured peak lies in the interval, and the verdict is not the opposite of what happened."""
    assert not any(reasons(row, CONFIGURATION))
    compared = compare(row)
    assert compared.right
    assert compared.covered or compared.measured is None


def test_kept_rows_are_of_every_kind() -> None:
    assert {kind_of(row) for row in KEPT if row.get("peak_memory")} == {"allocated", "reserved", "process"}
    assert {compare(row).stack for row in KEPT} == {"megatron", "megatron_deepspeed", "fsdp2", "ddp"}
    assert sum(row["oom"] for row in KEPT) >= 4


def test_half_of_the_kept_peaks_are_within_three_percent() -> None:
    assert (summary([compare(row) for row in KEPT])["median"] or 1) < 0.03


def test_every_published_row(found: list[Comparison]) -> None:
    """Of the rows that state what was run: typical error, outcomes, and no job said to fit that ran out of memory."""
    whole = summary(found)
    assert whole["rows"] >= 100
    assert whole["median"] <= 0.06
    assert whole["within_15"] >= 0.85
    assert whole["covered"] >= 0.85
    assert whole["half_width"] <= 0.10
    assert whole["right"] / whole["outcomes"] >= 0.93
    assert whole["said_to_fit_and_ran_out"] == 0


@pytest.mark.parametrize("half", [0, 1])
def test_both_halves_of_the_rows(found: list[Comparison], half: int) -> None:
    """What rests on measured rows (fragmentation, widths) holds on either half of them, taken by their names."""
    ordered = sorted(found, key=lambda each: each.identity)
    part = summary(ordered[half::2])
    assert part["median"] <= 0.06
    assert part["within_15"] >= 0.8
    assert part["said_to_fit_and_ran_out"] == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"method": "prompt_tuning"}, "another method"),
        ({"source": "a paper"}, "no reader"),
        ({"compile": True}, "torch.compile"),
        ({"seq": None}, "not stated"),
        ({"source": "modelscope/ms-swift docs", "packed_sequence": False}, "a limit"),
    ],
)
def test_why_a_row_is_left_out(change: Row, reason: str) -> None:
    assert reason in next(reasons(KEPT[0] | change, CONFIGURATION))


def test_why_a_figure_is_left_out() -> None:
    assert "summed" in next(reasons(KEPT[0] | {"memory_scope": "sum_over_gpus"}, FIGURE))
    assert "not stated" in next(reasons(KEPT[0] | {"memory_kind": "unknown"}, FIGURE))


def test_a_spec_s_text() -> None:
    lora = Word("lora", {"rank": 8, "targets": ["q_proj", "v_proj"]})
    text = spec_text("job", {"training": {"method": lora, "seed": None}, "storage": {"kind": None}})
    assert text.splitlines()[2:] == ['training { method = lora { rank = 8  targets = ["q_proj", "v_proj"] } }']


@pytest.mark.parametrize(
    ("said", "found"),
    [("RTX 3090 24GB (280 W limit)", "RTX-3090"), ("A100-SXM-80GB", "A100-SXM-80GB"), (None, "A100-SXM4-80GB")],
)
def test_accelerators(said: str | None, found: str) -> None:
    assert accelerator({"gpu": said}) == found
