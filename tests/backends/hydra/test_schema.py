"""schemas/hydra.schema.json is made from our annotations, and says no to what they do not allow."""

import pytest

from ftspec.backends.hydra.schema import tree_problems
from ftspec.backends.hydra.schema_export import schema_text
from ftspec.core.resources import resource_path

LEAST = {
    "name": "job",
    "model": {},
    "hardware": {},
    "precision": {},
    "parallelism": {},
    "training": {},
    "launcher": {"kind": "local"},
}


def test_the_file_is_up_to_date() -> None:
    assert resource_path("schemas", "hydra.schema.json").read_text(encoding="utf-8") == schema_text()


def test_a_config_may_leave_values_open() -> None:
    assert tree_problems(LEAST) == []


@pytest.mark.parametrize(
    ("group", "content", "key", "words"),
    [
        ("parallelism", {"tensor": "eight"}, "parallelism.tensor", "integer"),
        ("parallelism", {"tensor": 0}, "parallelism.tensor", "minimum of 1"),
        ("parallelism", {"tensr": 8}, "parallelism", "tensr"),
        ("precision", {"compute": "bf61"}, "precision.compute", "bf16, fp16"),
        ("training", {"method": {"kind": "full", "rank": 8}}, "training.method", "rank"),
        ("training", {"optimizer": {"learning_rate": -1}}, "training.optimizer.learning_rate", "-1"),
        ("hardware", {"gpu": 8}, "hardware.gpu", "string"),
        ("launcher", {"kind": "local", "time": 5}, "launcher", "time"),
        ("launcher", {"kind": "slrm"}, "launcher.kind", "slurm"),
        ("model", {"moe": {"experts": 8}}, "model.moe", "experts"),
    ],
)
def test_wrong_values_are_refused(group: str, content: dict[str, object], key: str, words: str) -> None:
    problems = tree_problems({**LEAST, group: content})
    assert problems
    assert problems[0][0] == key
    assert words in problems[0][1]


def test_a_missing_group_is_refused() -> None:
    (problem,) = tree_problems({key: value for key, value in LEAST.items() if key != "training"})
    assert "training" in problem[1]
