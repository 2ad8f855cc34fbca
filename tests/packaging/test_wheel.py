"""The wheel carries grammar, schemas and catalog, and works away from the checkout; so does the editable install."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "deepseek-r1-70b.ft"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    (built,) = folder.glob("ftspec-*.whl")
    return built


def test_wheel_holds_every_data_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("grammar", "schemas"):
        for path in (ROOT / folder).iterdir():
            assert f"ftspec/{folder}/{path.name}" in names
    for path in (ROOT / "ftspec" / "catalog").rglob("*.json"):
        assert path.relative_to(ROOT).as_posix() in names


def test_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)],
        check=True,
        timeout=300,
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = subprocess.run(
        [sys.executable, "-c", "import ftspec; print(ftspec.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(site))
    compiled = subprocess.run(
        [sys.executable, "-m", "ftspec", "compile", str(EXAMPLE), "--out", str(tmp_path / "out")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stderr
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_this_installation_finds_its_schemas() -> None:
    listed = subprocess.run([sys.executable, "-m", "ftspec", "schema"], capture_output=True, text=True, check=True)
    assert "spec" in listed.stdout.split()
