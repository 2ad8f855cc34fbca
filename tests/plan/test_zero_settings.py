"""DeepSpeed's own settings on the plan: its defaults are DeepSpeed's, raw keys change them, other values do not."""

import json
from pathlib import Path
from typing import Any

import pytest

from ftspec.checked import Checked
from ftspec.pipeline import check_text
from ftspec.plan.model import Plan
from ftspec.plan.zero_settings import setting_key, zero_setting_names

SCHEMA = Path(__file__).resolve().parents[2] / "schemas" / "deepspeed.schema.json"
JOB = """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8 }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
target deepspeed { raw { RAW } }
"""


def checked(raw: str = "") -> Checked:
    return check_text(JOB.replace("RAW", raw), "job.ft")


def plan_with(raw: str = "") -> Plan:
    (plan,) = checked(raw).plans
    return plan


@pytest.mark.parametrize("name", sorted(set(zero_setting_names()) - {"overlap_comm"}))
def test_defaults_are_deepspeeds_own(name: str) -> None:
    node: Any = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for part in setting_key(name).split("."):
        node = node["properties"][part]
    assert getattr(plan_with().zero, name) == node["default"]
    assert plan_with().origins[f"zero.{name}"].kind == "default"


def test_raw_keys_change_them_and_are_their_origin() -> None:
    plan = plan_with("zero_optimization { reduce_bucket_size = 20000000  offload_optimizer { buffer_count = 6 } }")
    assert (plan.zero.reduce_bucket_size, plan.zero.optimizer_buffer_count) == (20_000_000, 6)
    assert str(plan.origins["zero.reduce_bucket_size"]) == "given at job.ft:6:67"


@pytest.mark.parametrize("key", ["stage3_prefetch_bucket_size", "prefetch_bucket_size"])
def test_both_spellings_are_read(key: str) -> None:
    assert plan_with(f"zero_optimization {{ {key} = 1e7 }}").zero.prefetch_bucket_size == 10_000_000


@pytest.mark.parametrize("value", ['"1e9"', "1.5", "-1", "true", "20MB"])
def test_what_is_no_number_of_elements_is_a_finding_and_the_default(value: str) -> None:
    found = checked(f"zero_optimization {{ reduce_bucket_size = {value} }}")
    assert "FT501" in {finding.code for finding in found.findings}
    assert found.plans[0].zero.reduce_bucket_size == 500_000_000


def test_other_targets_keys_are_none_of_its_business() -> None:
    text = JOB.replace("target deepspeed { raw { RAW } }", "target hydra { raw { reduce_bucket_size = 5 } }")
    assert check_text(text, "job.ft").plans[0].zero.reduce_bucket_size == 500_000_000
