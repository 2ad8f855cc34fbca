"""Shapes stated in a `model` block, alone and over a base."""

import pytest

from ftspec.catalog.models import ModelRow, find_model
from ftspec.catalog.parameters import count_parameters
from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_fields import DEFAULT_MAX_POSITION_EMBEDDINGS, ShapeProblem, shape_from_fields
from ftspec.spec.model import MixtureOfExperts, Model, MultiLatentAttention

SMALL = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "vocab_size": 100}


def base(name: str) -> ModelShape:
    row = find_model(name)
    assert isinstance(row, ModelRow)
    return row.shape


def shape(written: Model, over: str | None = None) -> ModelShape:
    found = shape_from_fields(written, base(over) if over else None)
    assert isinstance(found, ModelShape), found
    return found


def problem(written: Model, over: str | None = None) -> ShapeProblem:
    found = shape_from_fields(written, base(over) if over else None)
    assert isinstance(found, ShapeProblem), found
    return found


def test_a_small_shape_alone_has_llama_s_defaults() -> None:
    found = shape(Model(**SMALL, intermediate_size=128))
    assert (found.num_key_value_heads, found.head_dim) == (4, 16)
    assert (found.mlp, found.norm, found.position, found.attention_bias) == ("gated", "rmsnorm", "rope", "none")
    assert not found.tie_word_embeddings
    assert found.max_position_embeddings == DEFAULT_MAX_POSITION_EMBEDDINGS
    attention, mlp, norms = 4 * 64 * 64, 3 * 64 * 128, 2 * 64
    assert count_parameters(found) == 2 * (attention + mlp + norms) + 2 * 100 * 64 + 64


def test_every_missing_field_is_named() -> None:
    found = problem(Model(num_hidden_layers=2, hidden_size=64))
    assert found.field == ""
    assert found.message == "the shape lacks num_attention_heads, vocab_size, intermediate_size"
    assert "num_attention_heads" in found.help


def test_experts_in_every_layer_need_no_dense_width() -> None:
    found = shape(Model(**SMALL, moe=MixtureOfExperts(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32)))
    assert found.moe is not None
    assert (found.intermediate_size, found.moe.shared_intermediate_size) == (0, 0)


def test_a_dense_first_layer_needs_a_dense_width() -> None:
    experts = MixtureOfExperts(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, first_k_dense_replace=1)
    assert problem(Model(**SMALL, moe=experts)).message == "the shape lacks intermediate_size"


def test_shared_experts_are_as_wide_as_routed_ones() -> None:
    experts = MixtureOfExperts(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, num_shared_experts=2)
    found = shape(Model(**SMALL, moe=experts))
    assert found.moe is not None
    assert found.moe.shared_intermediate_size == 64


def test_experts_stated_in_part_are_named() -> None:
    found = problem(Model(**SMALL, moe=MixtureOfExperts(num_experts=8)))
    assert found.field == "moe"
    assert found.message == "the shape lacks num_experts_per_tok, moe_intermediate_size"


def test_more_experts_for_a_token_than_there_are() -> None:
    found = problem(Model(moe=MixtureOfExperts(num_experts_per_tok=9)), "mixtral-8x7b")
    assert found.field == "moe.num_experts_per_tok"
    assert "8" in found.help


def test_latent_attention_stated() -> None:
    latent = MultiLatentAttention(kv_lora_rank=16, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8)
    found = shape(Model(**SMALL, intermediate_size=128, mla=latent))
    assert found.mla is not None
    assert (found.mla.q_lora_rank, found.head_dim) == (None, 12)


def test_latent_attention_stated_in_part() -> None:
    found = problem(Model(**SMALL, intermediate_size=128, mla=MultiLatentAttention(q_lora_rank=16)))
    assert found.field == "mla"


def test_fewer_layers_keep_the_rest() -> None:
    whole, cut = base("llama-3.1-8b"), shape(Model(num_hidden_layers=2), "llama-3.1-8b")
    per_layer = (count_parameters(whole) - count_parameters(cut)) // 30
    assert count_parameters(whole) == count_parameters(cut) + 30 * per_layer
    assert (cut.head_dim, cut.num_key_value_heads, cut.vocab_size) == (128, 8, 128256)


@pytest.mark.parametrize("layers", [1, 5, 36, 100])
def test_a_pattern_of_layers_is_cut_or_repeated(layers: int) -> None:
    whole, found = base("qwen3-next-80b-a3b"), shape(Model(num_hidden_layers=layers), "qwen3-next-80b-a3b")
    assert len(found.layer_types) == layers
    assert found.layer_types[:3] == ("linear_attention",) * min(3, layers)
    assert found.layer_types == (whole.layer_types * 3)[:layers]


def test_heads_follow_where_they_do_in_the_base() -> None:
    assert shape(Model(hidden_size=2048), "llama-2-7b").head_dim == 64
    assert shape(Model(num_attention_heads=16), "llama-2-7b").num_key_value_heads == 16
    assert shape(Model(hidden_size=1024), "qwen3-32b").head_dim == 128
    assert shape(Model(num_attention_heads=16), "llama-3.1-8b").num_key_value_heads == 8


def test_heads_that_do_not_divide() -> None:
    assert problem(Model(hidden_size=4100), "llama-3.1-8b").field == "hidden_size"
    assert problem(Model(num_key_value_heads=7), "llama-3.1-8b").field == "num_key_value_heads"


def test_experts_over_a_base_keep_what_is_not_said() -> None:
    found = shape(Model(moe=MixtureOfExperts(num_experts=4)), "mixtral-8x7b").moe
    assert found is not None
    assert (found.num_experts, found.num_experts_per_tok, found.moe_intermediate_size) == (4, 2, 14336)


def test_a_wider_shared_expert_keeps_its_width() -> None:
    found = shape(Model(moe=MixtureOfExperts(moe_intermediate_size=1000)), "qwen1.5-moe-a2.7b").moe
    assert found is not None
    assert found.shared_intermediate_size == 5632


def test_the_rest_can_be_overridden() -> None:
    found = shape(Model(mlp="plain", tie_word_embeddings=True, vocab_size=1000), "llama-3.1-8b")
    assert (found.mlp, found.tie_word_embeddings, found.vocab_size) == ("plain", True, 1000)
    latent = shape(Model(mla=MultiLatentAttention(kv_lora_rank=256)), "deepseek-v3")
    assert latent.mla is not None
    assert (latent.mla.kv_lora_rank, latent.mla.q_lora_rank) == (256, 1536)


@pytest.mark.parametrize(
    ("written", "over", "field", "help"),
    [
        (Model(hidden_size=4097), "meta-llama/Llama-3.1-8B", "hidden_size", "head_dim"),
        (Model(num_attention_heads=33), "meta-llama/Llama-3.1-8B", "num_attention_heads", "head_dim"),
        (Model(num_key_value_heads=7), "meta-llama/Llama-3.1-8B", "num_key_value_heads", "a divisor of 32"),
        (Model(num_attention_heads=4), "meta-llama/Llama-3.1-8B", "num_attention_heads", "a multiple of 8"),
        (Model(moe=MixtureOfExperts(num_experts=4)), "Qwen/Qwen3-30B-A3B", "moe.num_experts", "at most"),
    ],
)
def test_a_problem_is_about_a_field_that_is_written(written: Model, over: str, field: str, help: str) -> None:
    found = problem(written, over)
    assert found.field == field
    assert help in found.help
