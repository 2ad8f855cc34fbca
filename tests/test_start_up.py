"""A check loads only what it needs: a pre-commit hook starts it for every commit."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "deepseek-r1-70b.ft"
HEAVY = ("torch", "hydra", "omegaconf", "numpy", "pydantic", "jsonschema", "rich", "yaml", "lark")


def _loaded(program: str) -> set[str]:
    report = f"{program}\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("package", HEAVY)
def test_a_check_does_not_load(package: str) -> None:
    assert package not in _loaded(f"from ftspec.pipeline import check_file; check_file({str(EXAMPLE)!r})")


def test_importing_ftspec_loads_nothing_of_it() -> None:
    assert {name for name in _loaded("import ftspec") if name.startswith("ftspec")} == {"ftspec"}


def test_the_functions_are_there_when_asked_for() -> None:
    import ftspec

    assert ftspec.check(EXAMPLE).exit_code == 0
    assert {estimate.verdict for estimate in ftspec.estimate_memory(EXAMPLE)} == {"fits"}
    assert ftspec.load(EXAMPLE).spec.parallelism.tensor == 8
    with pytest.raises(AttributeError):
        _ = ftspec.nothing
    with pytest.raises(ftspec.SpecError):
        ftspec.load(EXAMPLE.with_name("missing.ft"))


def test_compile_writes(tmp_path: Path) -> None:
    import ftspec

    written = ftspec.compile(EXAMPLE, tmp_path / "out", to=["deepspeed"])
    assert [Path(path).name for path in written] == ["ds_config.json", "manifest.json"]
