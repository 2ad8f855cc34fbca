"""Raw keys: spelling, types, choices, and what the plan already says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.backends.megatron import BACKEND
from ftspec.backends.megatron.flags import arguments_schema, find_flag, value_problem
from ftspec.backends.megatron.owners import SPEC_FIELDS
from ftspec.backends.megatron.unestimated import unestimated_flags
from ftspec.core.finding import Finding, has_errors
from ftspec.core.units import Dimension, Quantity
from ftspec.pipeline import check_text
from ftspec.plan.megatron_settings import megatron_setting_names, setting_flag
from ftspec.spec.model import Model, Parallelism
from tests.backends.megatron.plans import make_plan, make_target


def found(raw: dict[str, Any], **options: Any) -> list[Finding]:
    plan = make_plan(parallelism=Parallelism(tensor=2, sequence_parallel=True, zero_stage=1))
    return [finding for finding in BACKEND.check(plan, make_target(raw, **options)) if finding.code >= "FT640"]


@pytest.mark.parametrize("key", ["num_workers", "num-workers", "--num-workers", "--num_workers"])
def test_spellings(key: str) -> None:
    assert not found({key: 4})
    assert find_flag(key) == "num-workers"


@pytest.mark.parametrize(
    ("key", "meant"),
    [("num_wrokers", "num-workers"), ("log_throughputs", "log-throughput"), ("add_bias_linear", "disable-bias-linear")],
)
def test_near_misses(key: str, meant: str) -> None:
    [finding] = found({key: 4})
    assert finding.code == "FT640"
    assert meant in (finding.help or "")


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"num_workers": "four"}, "a whole number"),
        ({"num_workers": 1.5}, "a whole number"),
        ({"num_workers": True}, "a whole number"),
        ({"num_workers": False}, "a whole number"),
        ({"num_workers": [4]}, "a whole number"),
        ({"num_workers": Quantity(4, Dimension.BYTES)}, "a whole number"),
        ({"num_workers": {"kind": "many"}}, "a whole number"),
        ({"init_method_std": "small"}, "a number"),
        ({"log_throughput": 1}, "no value"),
        ({"log_throughput": "true"}, "no value"),
        ({"save": 3, "save_interval": 10}, "a text"),
        ({"fp8_recipe": "fast"}, "one of tensorwise, delayed"),
        ({"timing_log_level": 7}, "one of 0, 1, 2"),
        ({"profile_ranks": ["a"]}, "each a whole number"),
        ({"no_rope_freq": "__import__('os')"}, "an expression"),
    ],
)
def test_values(raw: dict[str, Any], wanted: str) -> None:
    [finding] = found(raw)
    assert finding.code == "FT641"
    assert wanted in finding.message


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("tensor_model_parallel_size", 2, "parallelism.tensor"),
        ("micro-batch-size", 4, "training.micro_batch_size"),
        ("rampup_batch_size", [1, 1, 100], "training.global_batch_size"),
        ("adam_beta1", 0.8, "training.optimizer.beta1"),
        ("bf16", True, "precision.parameters"),
        ("bf16", False, "precision.parameters"),
        ("train_samples", 1000, "training.steps"),
        ("use_megatron_fsdp", True, "parallelism.zero_stage"),
        ("num_experts", 8, "model.moe.num_experts"),
        ("normalization", "LayerNorm", "model.from"),
        ("padded-vocab-size", 128_000, "model.vocab_size"),
    ],
)
def test_what_the_spec_says_is_not_said_twice(key: str, value: Any, field: str) -> None:
    [finding] = found({key: value})
    assert finding.code == "FT642"
    assert field in (finding.help or "")


def test_a_refinement_of_rotary_positions_is_free() -> None:
    assert not found({"position_embedding_type": "yarn"})
    assert [finding.code for finding in found({"position_embedding_type": "learned_absolute"})] == ["FT642"]
    gpt2 = make_plan(model=Model(from_="openai-community/gpt2", max_position_embeddings=4096))
    assert "FT642" in [
        finding.code for finding in BACKEND.check(gpt2, make_target({"position_embedding_type": "yarn"}))
    ]


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        ({"save": "/checkpoints"}, ["FT645"]),
        ({"save": "/checkpoints", "save_interval": 100}, []),
        ({"use_checkpoint_args": True}, ["FT645"]),
        ({"use_checkpoint_args": True, "pretrained_checkpoint": "/c"}, []),
        ({"tp_comm_overlap": True}, ["FT651"]),
        ({"overlap_grad_reduce": False, "overlap_param_gather": True}, ["FT645"]),
        ({"overlap_grad_reduce": False, "overlap_param_gather": False}, []),
        ({"fp8_param_gather": True}, ["FT651", "FT645"]),
        ({"mock_data": True, "train_data_path": ["/a"]}, ["FT646"]),
        ({"cross_entropy_fusion_impl": "te"}, ["FT642"]),
        ({"weight_decay_incr_style": "linear"}, ["FT645", "FT645"]),
        ({"weight_decay_incr_style": "constant"}, []),
        ({"checkpoint_activations": True}, ["FT643"]),
        ({"use_mcore_models": True}, ["FT644"]),
        ({"num_workers": 1, "num-workers": 2}, ["FT648"]),
        ({"wandb_project": "a\nb"}, ["FT647"]),
        ({"data_path": ["/a", "--b"]}, ["FT647"]),
        ({"data_path": ["30", "/a", "70", "/b"]}, []),
    ],
)
def test_flags_together(raw: dict[str, Any], codes: list[str]) -> None:
    assert [finding.code for finding in found(raw)] == codes


@pytest.mark.parametrize(
    ("raw", "noted"),
    [
        ({"hidden_dropout": 0.1}, True),
        ({"hidden_dropout": 0.0}, False),
        ({"moe_token_dispatcher_type": "allgather"}, True),
        ({"moe_token_dispatcher_type": "alltoall"}, False),
        ({"cp_comm_type": "a2a"}, False),
        ({"cp_comm_type": ["a2a", "a2a"]}, False),
        ({"cp_comm_type": ["a2a", "p2p"]}, True),
        ({"recompute_modules": ["core_attn", "mlp"]}, False),
    ],
)
def test_what_the_estimate_leaves_out_is_said(raw: dict[str, Any], noted: bool) -> None:
    assert [finding.code for finding in found(raw)] == (["FT651"] if noted else [])


def test_what_the_estimate_leaves_out_are_flags_that_the_plan_does_not_know() -> None:
    settings_known = {setting_flag(name) for name in megatron_setting_names()}
    for flag, row in unestimated_flags().items():
        assert find_flag(flag) == flag
        assert row["source"]
        assert flag not in settings_known or row["unless"]
        assert flag not in SPEC_FIELDS


@pytest.mark.parametrize("option", ["script", "tokenizer", "data_path"])
@pytest.mark.parametrize("text", ["two\nlines", "bell\a", "\u2028"])
def test_texts_that_a_command_line_cannot_have(option: str, text: str) -> None:
    assert [finding.code for finding in found({}, **{option: text})] == ["FT647"]


def test_places() -> None:
    text = """ft 1
model { from = "meta-llama/Llama-3.2-1B" }
hardware { gpu = "H100-SXM5-80GB" }
training { steps = 10 }
target megatron {
  tokenizer = "x"
  raw { num_workers = "four"  "hidden-dropuot" = 0.1 }
}
"""
    spans = {finding.code: finding.span for finding in check_text(text, "job.ft").findings}
    assert spans["FT641"][:4] == (7, 23, 7, 29)
    assert spans["FT640"][:4] == (7, 31, 7, 47)


def test_defaults_are_accepted_by_the_value_check() -> None:
    properties = arguments_schema()["properties"]
    refused = [
        flag for flag, schema in properties.items() if "default" in schema and value_problem(schema["default"], schema)
    ]
    assert not refused


KEYS = st.sampled_from(sorted(arguments_schema()["properties"])) | st.text(max_size=8)
SCALARS = st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just(Quantity(3, Dimension.SECONDS))
ANYTHING = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, ANYTHING, max_size=3))
def test_any_raw_block_is_judged_and_what_passes_compiles(raw: dict[str, Any]) -> None:
    plan, target = make_plan(), make_target(raw)
    if not has_errors(BACKEND.check(plan, target)):
        assert len(BACKEND.compile(plan, target)) == 3
