"""The three forms of an argument list say the same."""

import json
import subprocess

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.backends.megatron import BACKEND
from ftspec.backends.megatron.argument import Argument, Value, arguments_text, arguments_yaml, tokens
from ftspec.backends.megatron.compilation import planned_arguments, with_raw
from tests.backends.megatron.plans import make_plan, make_target

TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=20) | st.sampled_from(
    [
        "",
        " ",
        "it's",
        '"$HOME"',
        "`id`",
        "$(id)",
        "-1,0",
        "--flag",
        "a b",
        "*",
        "~",
        "#x",
        "([0]*3+[1]*58)",
        "yes",
        "null",
        "1e5",
        "\\",
    ]
)
NUMBERS = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = (
    st.just(True)
    | TEXTS
    | NUMBERS
    | st.lists(TEXTS.filter(lambda text: not text.startswith("-")), max_size=3).map(tuple)
)


def bash_words(text: str) -> list[str]:
    """The words that bash makes of a text with one token a line."""
    script = f"words=(\n{text})\nprintf '%s\\0' \"${{words[@]}}\""
    words = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")
    return words[:-1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["lr", "seed", "data-path"]), VALUES), min_size=1, max_size=6))
def test_bash_reads_the_tokens(written: list[tuple[str, Value]]) -> None:
    arguments = [Argument(flag, value, "raw") for flag, value in written]
    text = arguments_text(arguments)
    expected = [token for argument in arguments for token in tokens(argument)]
    assert bash_words(text) == expected
    assert len(text.splitlines()) == len(expected)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_yaml_reads_the_value(value: Value) -> None:
    read = yaml.safe_load(arguments_yaml([Argument("flag", value, "raw")]))["flag"]
    assert read == (list(value) if isinstance(value, tuple) else value)
    assert type(read) is (list if isinstance(value, tuple) else type(value))


def test_a_value_that_looks_like_a_flag_is_joined() -> None:
    assert tokens(Argument("window-size", "-1,0", "raw")) == ["--window-size=-1,0"]
    assert tokens(Argument("null-tokenizer-pad-id", -1, "raw")) == ["--null-tokenizer-pad-id", "-1"]


def test_files_agree_with_each_other() -> None:
    target = make_target(
        {"num_workers": 4, "log-params-norm": True, "profile_ranks": [0, 1]}, data_path="/data/it's here"
    )
    mapping, text, script = BACKEND.compile(make_plan(), target)
    arguments = with_raw(planned_arguments(make_plan(), target.options), dict(target.raw))
    assert bash_words(text.text) == [token for argument in arguments for token in tokens(argument)]
    values = {argument.flag: json.loads(json.dumps(argument.value)) for argument in arguments}
    assert yaml.safe_load(mapping.text) == values
    assert mapping.origins.keys() == values.keys()
    assert mapping.origins["num-workers"] == "raw"
    assert mapping.origins["seed"] == "training.seed"
    assert script.executable
    assert [artefact.path for artefact in (mapping, text, script)] == [
        "megatron/arguments.yaml",
        "megatron/arguments.txt",
        "megatron/train.sh",
    ]


def test_output_is_the_same_every_time() -> None:
    first, second = (BACKEND.compile(make_plan(), make_target({"num_workers": 4})) for _ in range(2))
    assert first == second


def test_a_raw_flag_replaces_a_constant_and_false_leaves_it_out() -> None:
    plan = make_plan(parallelism=None)
    mapping = yaml.safe_load(
        BACKEND.compile(plan, make_target({"hidden_dropout": 0.1, "attention-dropout": 0.2}))[0].text
    )
    assert (mapping["hidden-dropout"], mapping["attention-dropout"]) == (0.1, 0.2)
    mapping = yaml.safe_load(BACKEND.compile(plan, make_target({"log_params_norm": False}))[0].text)
    assert "log-params-norm" not in mapping


def test_options() -> None:
    target = make_target(tokenizer="meta-llama/Llama-3.2-1B", data_path="/data/tokens", make_vocab_size_divisible_by=1)
    mapping = yaml.safe_load(BACKEND.compile(make_plan(), target)[0].text)
    assert mapping["tokenizer-type"] == "HuggingFaceTokenizer"
    assert mapping["tokenizer-model"] == "meta-llama/Llama-3.2-1B"
    assert mapping["data-path"] == ["/data/tokens"]
    assert mapping["padded-vocab-size"] == 128_256
