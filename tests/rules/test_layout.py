"""The layout as a whole, and what tensor parallelism divides."""

import pytest

from ftspec.rules.example import job
from tests.rules.checking import errors, findings, pointed_at

TWO_NODES = 'gpu = "H100-SXM5-80GB"  nodes = 2  gpus_per_node = 8  network = "InfiniBand-NDR"'


def test_product_and_the_right_data_are_shown() -> None:
    finding = findings(parallelism="tensor = 2  pipeline = 2  data = 4")["FT201"]
    assert "tensor 2 × pipeline 2 × data 4 = 16 GPUs" in finding.message
    assert "nodes 1 × gpus_per_node 8 = 8" in finding.message
    assert finding.help == "write data = 2 (or data = auto), or nodes = 2"


def test_finding_points_at_data_where_data_is_wrong() -> None:
    blocks = {"parallelism": "tensor = 4  data = 4"}
    text = job(**blocks)
    finding = findings(**blocks)["FT201"]
    assert pointed_at(text, finding) == "4"
    assert text.splitlines()[finding.span.line - 1][: finding.span.column - 1].endswith("data = ")


def test_degrees_that_would_divide_are_named_where_data_cannot_help() -> None:
    finding = findings(parallelism="tensor = 2  pipeline = 3")["FT201"]
    assert "= 6 does not divide" in finding.message
    assert finding.help is not None
    assert "pipeline = 1, 2 or 4" in finding.help


@pytest.mark.parametrize("data", ["auto", "2"])
def test_a_layout_that_multiplies_out_is_silent(data: str) -> None:
    assert "FT201" not in findings(parallelism=f"tensor = 4  data = {data}")


def test_context_counts() -> None:
    assert "FT201" in findings(training="stack = megatron", parallelism="tensor = 2  context = 2  data = 4")
    assert "FT201" not in findings(training="stack = megatron", parallelism="tensor = 2  context = 2  data = 2")


def test_wrong_layout_does_not_also_blame_the_batch() -> None:
    found = findings(training="global_batch_size = 64", parallelism="tensor = 4  data = 3")
    assert "FT201" in found
    assert "FT280" not in found


def test_one_degree_that_divides_nothing_is_one_finding() -> None:
    found = errors(hardware='gpu = "H100-SXM5-80GB"  gpus_per_node = 3', parallelism="tensor = 3")
    assert found & {"FT202", "FT203", "FT205", "FT206"} == {"FT202"}


def test_suggested_tensor_divides_everything() -> None:
    model = 'from = "meta-llama/Llama-3.2-1B"  num_attention_heads = 24  num_key_value_heads = 6  head_dim = 64'
    help = findings(model=model, parallelism="tensor = 4")["FT203"].help
    assert help == "write tensor = 1 or 2"
    for degree in (1, 2):
        assert not errors(model=model, parallelism=f"tensor = {degree}") & {"FT202", "FT203"}


@pytest.mark.parametrize(("tensor", "replicated"), [(8, False), (16, True)])
def test_key_value_heads_are_replicated_beyond_their_number(tensor: int, replicated: bool) -> None:
    found = findings(hardware=TWO_NODES, parallelism=f"tensor = {tensor}")
    assert ("FT204" in found) is replicated
    assert "FT203" not in found


def test_latent_attention_has_no_key_value_heads_to_divide() -> None:
    found = findings(
        model='from = "deepseek-ai/DeepSeek-V2-Lite"', training="stack = megatron", parallelism="tensor = 4"
    )
    assert not {"FT203", "FT204"} & set(found)


@pytest.mark.parametrize(
    ("vocabulary", "code"),
    [(128256, None), (50257, "FT208"), (1100, "FT207"), (1024, None)],
)
def test_padding_of_the_vocabulary_by_size(vocabulary: int, code: str | None) -> None:
    model = f'from = "meta-llama/Llama-3.2-1B"  vocab_size = {vocabulary}'
    found = findings(model=model, training="stack = megatron", parallelism="tensor = 8")
    assert {"FT207", "FT208"} & set(found) == ({code} if code else set())


def test_padding_is_shown_in_rows() -> None:
    model = 'from = "meta-llama/Llama-3.2-1B"  vocab_size = 50257'
    message = findings(model=model, training="stack = megatron", parallelism="tensor = 8")["FT208"].message
    assert "50,257 to 51,200 rows" in message
    assert "128 × tensor = 1,024" in message


def test_deepspeed_pads_no_vocabulary() -> None:
    model = 'from = "meta-llama/Llama-3.2-1B"  vocab_size = 1100'
    assert "FT207" not in findings(model=model, training="stack = deepspeed", parallelism="tensor = 4  zero_stage = 1")
