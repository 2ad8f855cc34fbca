"""Routers that are not Megatron's default: refused until raw keys say what they are."""

import pytest

from ftspec.pipeline import check_text

JOB = """ft 1
model {{ from = "{model}" }}
hardware {{ gpu = "H100-SXM5-80GB"  nodes = 126  gpus_per_node = 8  network = "InfiniBand-NDR" }}
training {{ activation_checkpointing = full  global_batch_size = 480  steps = 100 }}
parallelism {{ tensor = 8  pipeline = 21  expert = 2  sequence_parallel = true  zero_stage = 1 }}
target megatron {{ {raw} }}
"""
SAID = (
    'raw { moe_router_score_function = "sigmoid"  moe_router_enable_expert_bias = true  moe_router_num_groups = 8'
    "  moe_router_group_topk = 4  moe_router_topk_scaling_factor = 2.5 }"
)


def _codes(model: str, raw: str = "") -> set[str]:
    return {finding.code for finding in check_text(JOB.format(model=model, raw=raw), "job.ft").findings}


def test_sigmoid_routing_must_be_said() -> None:
    assert "FT617" in _codes("deepseek-ai/DeepSeek-V3")
    assert "FT617" not in _codes("deepseek-ai/DeepSeek-V3", SAID)


@pytest.mark.parametrize("model", ["mistralai/Mixtral-8x7B-v0.1", "Qwen/Qwen3-30B-A3B"])
def test_softmax_routing_is_megatrons_own(model: str) -> None:
    assert "FT617" not in _codes(model)


@pytest.mark.parametrize("model", ["openai/gpt-oss-20b", "meta-llama/Llama-4-Scout-17B-16E"])
def test_models_with_more_than_megatron_has_are_refused(model: str) -> None:
    assert "FT608" in _codes(model)
