"""How names find rows."""

import pytest

from ftspec.catalog.load_hardware import (
    accelerator_ids,
    find_accelerator,
    find_network,
    find_node,
    network_ids,
    node_ids,
)
from ftspec.catalog.models import ModelRow, find_model, model_ids, model_suggestions
from ftspec.catalog.names import NoMatch, find_model_id, find_part_id


def id_of(found: object) -> str:
    assert not isinstance(found, NoMatch), found
    return str(found.id)  # type: ignore[attr-defined]


@pytest.mark.parametrize("identifier", model_ids())
def test_an_id_means_its_row_in_any_case(identifier: str) -> None:
    for name in (identifier, identifier.lower(), identifier.upper()):
        assert id_of(find_model(name)) == identifier


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("Llama-3.1-70B", "meta-llama/Llama-3.1-70B"),
        ("meta-llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("meta-llama/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("llama-3-8b", "meta-llama/Meta-Llama-3-8B"),
        ("llama-2-7b", "meta-llama/Llama-2-7b-hf"),
        ("meta-llama/Llama-2-7b", "meta-llama/Llama-2-7b-hf"),
        ("mistral-7b", "mistralai/Mistral-7B-v0.1"),
        ("mistral-7b-v0.3", "mistralai/Mistral-7B-v0.3"),
        ("mixtral-8x7b", "mistralai/Mixtral-8x7B-v0.1"),
        ("mixtral-8x22b", "mistralai/Mixtral-8x22B-v0.1"),
        ("qwen2.5-7b", "Qwen/Qwen2.5-7B"),
        ("qwen3-8b", "Qwen/Qwen3-8B"),
        ("gpt2-xl", "openai-community/gpt2-xl"),
        ("gpt2", "openai-community/gpt2"),
        ("deepseek-r1", "deepseek-ai/DeepSeek-R1"),
        ("llama-3.3-70b", "meta-llama/Llama-3.3-70B-Instruct"),
    ],
)
def test_a_short_name_means_the_one_row_it_can(name: str, identifier: str) -> None:
    assert id_of(find_model(name)) == identifier


def test_a_name_that_several_rows_share_names_them_all() -> None:
    found = find_model("gemma-2")
    assert isinstance(found, NoMatch)
    assert found.ambiguous == ("google/gemma-2-2b", "google/gemma-2-9b", "google/gemma-2-27b")
    assert found.reason == ": 3 rows could be meant"
    assert "google/gemma-2-9b" in found.help("look")


def test_a_long_list_is_cut() -> None:
    found = find_model("qwen2.5")
    assert isinstance(found, NoMatch)
    assert found.help("look").endswith(f" or {len(found.ambiguous) - 6} more")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("lama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"),
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B"),
        ("qwen3_8b", "Qwen/Qwen3-8B"),
    ],
)
def test_a_wrong_name_suggests_the_nearest(name: str, nearest: str) -> None:
    found = find_model(name)
    assert isinstance(found, NoMatch)
    assert not found.ambiguous
    assert found.suggestions[0] == nearest == model_suggestions(name)[0]
    assert nearest in found.help("look")


@pytest.mark.parametrize("name", ["", "zzzzzzzzzzzzzz", "/", "-", "..", "\0", "llama-3.1-8b\n", "x" * 10_000])
def test_nonsense_means_no_row(name: str) -> None:
    found = find_model(name)
    assert isinstance(found, NoMatch)
    assert not found.ambiguous
    assert found.help("look")
    assert isinstance(find_accelerator(name), NoMatch)


def test_an_organisation_is_held_to() -> None:
    assert isinstance(find_model("google/llama-3.1-8b"), NoMatch)
    assert id_of(find_model("META-LLAMA/llama-3.1-8b")) == "meta-llama/Llama-3.1-8B"


def test_two_organisations_may_share_a_name() -> None:
    rows = ("a/Net-7B", "b/net-7b-hf", "c/Net-7B")
    assert find_model_id("net-7b", rows) == NoMatch(("a/Net-7B", "c/Net-7B"), ())
    assert find_model_id("B/net-7b", rows) == "b/net-7b-hf"


def test_a_beginning_ends_at_a_boundary() -> None:
    assert isinstance(find_model_id("net-7", ("a/Net-70B",)), NoMatch)
    assert find_model_id("net-7", ("a/Net-70B", "a/net-7-chat")) == "a/net-7-chat"


@pytest.mark.parametrize("identifier", accelerator_ids())
def test_an_accelerator_id_means_its_row(identifier: str) -> None:
    assert id_of(find_accelerator(identifier.lower())) == identifier


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("h100", "H100-SXM5-80GB"),
        ("H100-SXM", "H100-SXM5-80GB"),
        ("h100 pcie", "H100-PCIE-80GB"),
        ("a100-80gb", "A100-SXM4-80GB"),
        ("a100-40gb", "A100-SXM4-40GB"),
        ("a10", "A10"),
        ("h200", "H200-SXM5-141GB"),
        ("b200", "B200-SXM6-180GB"),
        ("4090", "RTX-4090"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM5-80GB"),
        ("cpu", "CPU"),
    ],
)
def test_a_short_accelerator_name(name: str, identifier: str) -> None:
    assert id_of(find_accelerator(name)) == identifier


def test_a_chip_sold_with_two_memories_is_ambiguous() -> None:
    found = find_accelerator("a100")
    assert isinstance(found, NoMatch)
    assert set(found.ambiguous) >= {"A100-SXM4-40GB", "A100-SXM4-80GB"}


def test_a_wrong_accelerator_suggests() -> None:
    found = find_accelerator("H100-SXM5-80BG")
    assert isinstance(found, NoMatch)
    assert found.suggestions[0] == "H100-SXM5-80GB"


@pytest.mark.parametrize("identifier", network_ids())
def test_a_network_id_means_its_row(identifier: str) -> None:
    assert id_of(find_network(identifier.upper())) == identifier


@pytest.mark.parametrize(
    ("name", "identifier"), [("ndr", "InfiniBand-NDR"), ("HDR", "InfiniBand-HDR"), ("hdr100", "InfiniBand-HDR100")]
)
def test_a_short_network_name(name: str, identifier: str) -> None:
    assert id_of(find_network(name)) == identifier


@pytest.mark.parametrize("identifier", node_ids())
def test_a_node_id_means_its_row(identifier: str) -> None:
    assert id_of(find_node(identifier.lower())) == identifier


def test_words_may_lack_their_digits_only_where_nothing_is_exact() -> None:
    assert find_part_id("net-v2", ("Net-V2", "Net-V20")) == "Net-V2"
    assert find_part_id("fast", ("Fast-1", "Fast2-1")) == "Fast-1"
    assert find_part_id("fast", ("Fast2-1",)) == "Fast2-1"


def test_a_row_is_read_once() -> None:
    row = find_model("llama-3.1-8b")
    assert isinstance(row, ModelRow)
    assert find_model("llama-3.1-8b") is row


@pytest.mark.parametrize("name", ["DeepSeek-R1 70B", "deepseek-r1-70b", "deepseek-r1-distill-70b"])
def test_all_words_of_a_name_count_wherever_they_stand(name: str) -> None:
    assert model_suggestions(name)[0] == "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"


@pytest.mark.parametrize("name", ["H1000", "H-100", "NVIDIA H100", "H100 80GB SXM5", "h100_sxm_80"])
def test_an_accelerator_is_suggested_however_it_is_spelt(name: str) -> None:
    found = find_accelerator(name)
    assert isinstance(found, NoMatch)
    assert "H100-SXM5-80GB" in found.suggestions


@pytest.mark.parametrize("name", ["InfiniBand HDR 400 Gbps", "NDR 400Gbps", "infiniband-ndr-400"])
def test_a_network_is_suggested_by_its_rate_too(name: str) -> None:
    found = find_network(name)
    assert isinstance(found, NoMatch)
    assert "InfiniBand-NDR" in found.suggestions


def test_a_wrong_generation_with_a_rate_suggests_both_that_could_be_meant() -> None:
    found = find_network("InfiniBand HDR 400 Gbps")
    assert isinstance(found, NoMatch)
    assert {"InfiniBand-HDR", "InfiniBand-NDR"} <= set(found.suggestions)


@pytest.mark.parametrize("name", ["", "-", " ", "__", "/"])
def test_a_name_without_a_word_means_nothing(name: str) -> None:
    for find in (find_accelerator, find_network, find_node, find_model):
        assert find(name) == NoMatch((), ())
