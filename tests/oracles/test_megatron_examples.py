"""The shipped examples that name Megatron: what `compile` writes, the real Megatron accepts."""

import shlex
from functools import cache
from pathlib import Path

import pytest

from ftspec.checked import Checked
from ftspec.pipeline import check_file, compile_checked
from tests.oracles.megatron_oracle import Answer, Question, ask_megatron

EXAMPLES = sorted(
    path
    for path in (Path(__file__).resolve().parents[2] / "examples").glob("*.ft")
    if "target megatron" in path.read_text(encoding="utf-8")
)


@cache
def checked(path: Path) -> Checked:
    return check_file(str(path))


COMPILED = [path for path in EXAMPLES if checked(path).exit_code == 0]


@cache
def answers() -> dict[Path, Answer]:
    questions = []
    for path in COMPILED:
        texts = {artefact.path: artefact.text for artefact in compile_checked(checked(path))}
        text = texts["megatron/arguments.txt"]
        plan = next(job.plan for job in checked(path).jobs if "megatron" in job.plan.training.stack)
        questions.append(Question([shlex.split(line)[0] for line in text.splitlines()], plan.hardware.world_size))
    return dict(zip(COMPILED, ask_megatron(questions), strict=True))


def test_there_are_examples() -> None:
    assert len(COMPILED) > 1


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_accepted(path: Path) -> None:
    plan = next(job.plan for job in checked(path).jobs if "megatron" in job.plan.training.stack)
    answer = answers()[path]
    assert answer.refusal is None
    assert answer.after["data_parallel_size"] == plan.parallelism.data
    assert answer.micro_batches == plan.training.gradient_accumulation_steps
    assert answer.stages == [[list(chunk) for chunk in stage.chunks] for stage in plan.stages]
