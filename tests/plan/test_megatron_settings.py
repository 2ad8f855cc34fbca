"""Megatron's own settings on the plan: defaults, raw flags that change them and the memory, uneven stages."""

import pytest

from ftspec.checked import Checked
from ftspec.memory.estimate import estimate_memory
from ftspec.pipeline import check_text
from ftspec.plan.megatron_settings import megatron_setting_names
from ftspec.plan.model import Plan
from ftspec.plan.stages import lay_out_stages

DENSE = """ft 1
model { from = "meta-llama/Llama-3.1-8B"  num_hidden_layers = LAYERS }
hardware { gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8 }
training { global_batch_size = 32  steps = 100  activation_checkpointing = KIND }
parallelism { pipeline = 4  tensor = 2 }
target megatron { raw { RAW } }
"""
EXPERTS = DENSE.replace("meta-llama/Llama-3.1-8B", "mistralai/Mixtral-8x7B-v0.1").replace(
    "pipeline = 4  tensor = 2", "expert = 8  expert_tensor = 1"
)


def checked(raw: str, kind: str = "none", layers: int = 32, job: str = DENSE) -> Checked:
    return check_text(job.replace("RAW", raw).replace("KIND", kind).replace("LAYERS", str(layers)), "job.ft")


def plan_with(raw: str = "", kind: str = "none", layers: int = 32, job: str = DENSE) -> Plan:
    (plan,) = checked(raw, kind, layers, job).plans
    return plan


def peak(raw: str, kind: str = "none", job: str = DENSE) -> int:
    return estimate_memory(plan_with(raw, kind, job=job)).peak_bytes


def test_every_setting_has_a_default_with_its_origin() -> None:
    plan = plan_with()
    assert {plan.origins[f"megatron.{name}"].kind for name in megatron_setting_names()} == {"default"}


def test_raw_flags_change_them_and_are_their_origin() -> None:
    plan = plan_with("recompute_method = block  no_create_attention_mask_in_dataloader = true", "full { every = 2 }")
    assert (plan.megatron.recompute_method, plan.megatron.makes_attention_mask) == ("block", False)
    assert str(plan.origins["megatron.recompute_method"]) == "given at job.ft:6:44"


@pytest.mark.parametrize(
    ("raw", "kind", "job"),
    [
        ("recompute_method = block", "full { every = 2 }", DENSE),
        ('recompute_modules = ["core_attn", "mlp"]', "selective", DENSE),
        ("no_gradient_accumulation_fusion = true", "none", DENSE),
        ("no_create_attention_mask_in_dataloader = true", "none", DENSE),
        ("moe_expert_capacity_factor = 2.0  moe_pad_expert_input_to_capacity = true", "none", EXPERTS),
        ('recompute_modules = ["moe"]', "selective", EXPERTS),
    ],
)
def test_a_setting_changes_the_memory(raw: str, kind: str, job: str) -> None:
    assert peak(raw, kind, job) != peak("", kind, job)


ENDS = "decoder_first_pipeline_num_layers = 7  decoder_last_pipeline_num_layers = 7"


def test_end_stages_with_other_numbers_of_layers() -> None:
    found = checked(ENDS, layers=32)
    (plan,) = found.plans
    assert [stage.num_layers for stage in plan.stages] == [7, 9, 9, 7]
    assert "FT221" not in {finding.code for finding in found.findings}


def test_end_stages_that_leave_what_does_not_divide_are_refused() -> None:
    found = checked("decoder_first_pipeline_num_layers = 6", layers=32)
    (finding,) = [each for each in found.findings if each.code == "FT221"]
    assert (finding.span.line, "26" in finding.message) == (6, True)


def test_chunks_of_uneven_stages_follow_each_other() -> None:
    """megatron/core/transformer/transformer_layer.py, `get_transformer_layer_offset`."""
    stages = lay_out_stages(16, 3, 2, 4, 4)
    assert [[list(chunk) for chunk in stage.chunks] for stage in stages] == [
        [[0, 1], [8, 9]],
        [[2, 3, 4, 5], [10, 11, 12, 13]],
        [[6, 7], [14, 15]],
    ]
