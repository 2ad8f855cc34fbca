"""What is said of adapters' targets, and what the estimate counts of them."""

import pytest

from ftspec.memory.estimate import estimate_memory
from ftspec.spec.methods import Lora
from ftspec.spec.model import Model, Training
from tests.memory.plans import plan_of
from tests.rules.checking import findings

LLAMA, QWEN = 'from = "meta-llama/Llama-3.1-8B"', 'from = "Qwen/Qwen3-30B-A3B"'
BAICHUAN, FALCON = 'from = "baichuan-inc/Baichuan2-7B-Base"', 'from = "tiiuae/falcon-7b"'
STATED = "num_hidden_layers = 2  hidden_size = 64  intermediate_size = 128  num_attention_heads = 4  vocab_size = 256"


def codes(model: str, *targets: str) -> set[str]:
    listed = ", ".join(f'"{target}"' for target in targets)
    found = findings(model=model, training=f"stack = ddp  method = lora {{ rank = 8  targets = [{listed}] }}")
    return {code for code in found if "FT360" <= code <= "FT367"}


@pytest.mark.parametrize(
    ("model", "targets", "expected"),
    [
        (LLAMA, ("query_key_value",), {"FT360"}),
        (LLAMA, ("gate", "c_attn"), {"FT360"}),
        (LLAMA, ("q_proj", "c_attn"), {"FT365"}),
        (LLAMA, ("self_attn.q_proj", "layers.0.mlp.up_proj"), {"FT366"}),
        (LLAMA, ("mlp.q_proj",), {"FT360"}),
        (LLAMA, ("q_proj", "lm_head"), {"FT366"}),
        (LLAMA, ("q_proj", "embed_tokens"), {"FT366"}),
        (LLAMA, ("self_attn.q_proj", "mlp.down_proj"), set()),
        (FALCON, ("q_proj", "v_proj"), {"FT360"}),
        (FALCON, ("self_attention.dense",), set()),
        (QWEN, ("gate_up_proj",), {"FT360"}),
        (QWEN, ("q_proj", "up_proj"), {"FT367"}),
        (QWEN, ("q_proj", "mlp.gate"), set()),
        (BAICHUAN, ("W_pack",), {"FT366"}),
        (BAICHUAN, ("no_such",), {"FT360"}),
        (STATED, ("c_attn", "q_proj"), {"FT366"}),
        (STATED, ("no_such",), {"FT360"}),
    ],
)
def test_what_is_said(model: str, targets: tuple[str, ...], expected: set[str]) -> None:
    assert codes(model, *targets) == expected


def test_the_projections_that_the_model_has_are_named() -> None:
    found = findings(model=FALCON, training='stack = ddp  method = lora { rank = 8  targets = ["q_proj"] }')
    help = found["FT360"].help or ""
    assert all(name in help for name in ("query_key_value", "dense_h_to_4h", "dense_4h_to_h", "all_linear"))


@pytest.mark.parametrize(
    ("model", "path", "name"),
    [
        ("meta-llama/Llama-3.1-8B", "self_attn.q_proj", "q_proj"),
        ("Qwen/Qwen3-30B-A3B", "mlp.gate", "gate"),
        ("bigscience/bloom-560m", "self_attention.query_key_value", "query_key_value"),
    ],
)
def test_the_end_of_a_path_is_counted_as_the_name(model: str, path: str, name: str) -> None:
    by_path, by_name = (_adapter_states(model, target) for target in (path, name))
    assert by_path == by_name > 0


def test_a_path_means_one_of_two_projections_of_one_name() -> None:
    one, other, both = (
        _adapter_states("openai-community/gpt2-large", name) for name in ("attn.c_proj", "mlp.c_proj", "c_proj")
    )
    assert 0 < one < other
    assert one + other == both


def test_an_adapter_of_bloom_has_two_matrices_a_layer() -> None:
    """Two fp32 moments of 16 × (1,024 + 3,072) weights in each of 24 layers."""
    states = _adapter_states("bigscience/bloom-560m", "query_key_value")
    assert states == pytest.approx(2 * 4 * 24 * 16 * (1024 + 3 * 1024), rel=1e-3)


def _adapter_states(model: str, target: str) -> int:
    training = Training(method=Lora(rank=16, targets=(target,)))
    (stage,) = estimate_memory(plan_of("ddp", model=Model(from_=model), training=training)).stages
    return stage.terms["optimizer_states"]
