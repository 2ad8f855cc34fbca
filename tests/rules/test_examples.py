"""The shipped examples: realistic, clean, and compiled for each of their targets."""

from pathlib import Path

import pytest

from ftspec.pipeline import check_file, compile_checked

FOLDER = Path(__file__).resolve().parents[2] / "examples"
CLEAN = sorted(path for path in FOLDER.glob("*.ft") if "as-published" not in path.name)


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
def test_example_has_neither_errors_nor_warnings(path: Path) -> None:
    checked = check_file(str(path))
    assert not [each for each in checked.findings if each.severity != "note"]
    assert checked.exit_code == 0
    assert {job.memory.verdict for job in checked.jobs} == {"fits"}


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
def test_example_compiles_for_its_targets(path: Path) -> None:
    checked = check_file(str(path))
    assert checked.document is not None
    folders = {artefact.path.partition("/")[0] for artefact in compile_checked(checked)}
    assert {target.name for target in checked.document.targets} <= folders


def test_corrected_recommendation_is_planned_for_both_stacks() -> None:
    checked = check_file(str(FOLDER / "deepseek-r1-70b.ft"))
    assert [job.plan.training.stack for job in checked.jobs] == ["deepspeed", "megatron"]
    for job in checked.jobs:
        layout = job.plan.parallelism
        assert (layout.tensor, layout.pipeline, layout.data, job.plan.hardware.world_size) == (8, 4, 4, 128)


def test_405b_has_a_layer_less_at_the_ends() -> None:
    (job,) = check_file(str(FOLDER / "llama-3.1-405b-pretrain.ft")).jobs
    assert job.plan.hardware.world_size == 1024
    assert [stage.num_layers for stage in job.plan.stages] == [7, *[8] * 14, 7]
