"""The shipped schema is that of the installed DeepSpeed."""

import importlib.util
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

from ftspec.backends.deepspeed.carried import MAPPED, owners
from ftspec.backends.deepspeed.schema import deepspeed_schema, subschema
from ftspec.core.resources import resource_path
from tests.oracles.deepspeed_oracle import load

TOOL = Path(__file__).resolve().parents[2] / "tools" / "deepspeed_schema.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The generator, which is a script."""
    spec = importlib.util.spec_from_file_location("deepspeed_schema_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_is_what_the_installed_deepspeed_says(tool: ModuleType) -> None:
    shipped = resource_path("schemas", "deepspeed.schema.json").read_text("utf-8")
    assert tool.rendered(tool.build_schema()) == shipped


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(deepspeed_schema())


@pytest.mark.parametrize("key", sorted({key for keys in MAPPED.values() for key in keys.split()} | set(owners())))
def test_every_key_that_a_plan_decides_is_one_of_deepspeeds(key: str) -> None:
    assert subschema(tuple(key.split(".")))


@pytest.mark.parametrize("key", ["amp", "elasticity", "sparse_gradients", "zero_optimization.mics_shard_size"])
def test_removed_keys_are_refused_by_the_real_one(key: str) -> None:
    section, _, name = key.partition(".")
    settings = {"train_batch_size": 1, section: {name: 1} if name else {"enabled": True}}
    assert key in deepspeed_schema()["x-removed"]
    assert "removed" in str(load(settings, 1).refusal)


@pytest.mark.parametrize(
    "section", ["fp16", "bf16", "zero_optimization", "tensor_parallel", "compile", "hybrid_engine"]
)
def test_sections_that_refuse_unknown_keys_do(section: str) -> None:
    assert subschema((section,))["additionalProperties"] is False
    assert "no_such_key" in str(load({"train_batch_size": 1, section: {"no_such_key": 1}}, 1).refusal)


def test_unknown_keys_at_the_top_are_taken_in_silence() -> None:
    """Which is why ours are checked against the schema."""
    assert load({"train_batch_size": 1, "zero_optimisation": {"stage": 3}}, 1).refusal is None
