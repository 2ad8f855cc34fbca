"""Names of group options: safe as files, and on Hydra's command line."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from ftspec.backends.hydra.names import option_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("DeepSeek-R1-Distill-Llama-70B", "deepseek-r1-distill-llama-70b"),
        ("Llama-3.1-8B", "llama-3.1-8b"),
        ("../../etc/passwd", "etc-passwd"),
        ("null", "model-null"),
        ("7b", "model-7b"),
        ('a${b}: "x"', "a-b-x"),
        ("", "model"),
        ("模型", "model"),
        ("job.yaml", "job"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert option_name(text, "model") == name


@given(st.text())
def test_any_text_gives_a_name_that_selects_itself(text: str) -> None:
    name = option_name(text, "model")
    assert len(name) < 100
    (override,) = OverridesParser.create().parse_overrides([f"model={name}"])
    assert override.value() == name
