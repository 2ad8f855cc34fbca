"""The committed schema is what Megatron's own parser says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ftspec.core.resources import resource_path
from tests.reference import reference_json

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = Path(resource_path("schemas", "megatron_arguments.schema.json"))


def test_regenerated() -> None:
    command = [sys.executable, str(ROOT / "tools" / "megatron_schema.py")]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert made[made.index("{\n") :] == COMMITTED.read_text(encoding="utf-8")


def test_a_schema_for_every_flag_of_the_reference() -> None:
    schema = json.loads(COMMITTED.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    flags = {
        flag.removeprefix("--"): each
        for each in reference_json("megatron_arguments.json")["arguments"]
        for flag in each["flags"]
    }
    assert set(flags) == set(schema["properties"])
    for flag, argument in flags.items():
        assert schema["properties"][flag]["x-destination"] == argument["dest"]


@pytest.mark.parametrize(
    ("arguments", "valid"),
    [
        (
            {"num-layers": 4, "bf16": True, "data-path": ["a", "b"], "lr": 1e-5, "moe-layer-freq": "([0]*3+[1]*58)"},
            True,
        ),
        ({"num-layers": "4"}, False),
        ({"bf16": False}, False),
        ({"attention-backend": "fast"}, False),
        ({"moe-layer-freq": "__import__('os')"}, False),
        ({"num_layers": 4}, False),
    ],
)
def test_what_it_accepts(arguments: dict[str, object], valid: bool) -> None:
    assert Draft202012Validator(json.loads(COMMITTED.read_text())).is_valid(arguments) is valid
