"""The writer's texts mean the same to PyYAML and to OmegaConf, and strings are never interpolated."""

import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ftspec.backends.hydra.tree import config_text
from ftspec.backends.hydra.yaml_text import escape_interpolation, scalar, yaml_text

TEXTS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.text(alphabet="a${}\\ .:'\"#-[],\n0e1"),
    st.sampled_from(
        ["null", "Yes", "off", "1e5", "0x1f", "1_000", "12:30:45", "~", "", " ", ".inf", "nan", "1.", "=", "<<"]
    ),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_both_readers_find_what_was_written(mapping: dict[str, object]) -> None:
    assert yaml.safe_load(yaml_text(mapping)) == mapping


@given(st.dictionaries(TEXTS.filter(lambda text: text != "???"), TEXTS.filter(lambda text: text != "???"), max_size=3))
def test_omegaconf_resolves_every_string_to_itself(mapping: dict[str, str]) -> None:
    config = OmegaConf.create(yaml_text(config_text(mapping)))
    assert OmegaConf.to_container(config, resolve=True) == mapping


@given(TEXTS.filter(lambda text: text != "???"))
def test_a_string_in_another_one_stays_itself(text: str) -> None:
    config = OmegaConf.create({"name": escape_interpolation(text), "flag": "--name=${name}"})
    assert config.flag == f"--name={text}"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_stay_floats(value: float) -> None:
    text = scalar(value)
    assert yaml.safe_load(text) == value
    assert isinstance(yaml.safe_load(text), float)
    assert OmegaConf.create(f"x: {text}").x == value


def test_a_comment_cannot_be_left() -> None:
    text = yaml_text({"a": 1}, [f"from {scalar('x' + chr(10) + 'b: 2')}"])
    assert yaml.safe_load(text) == {"a": 1}
