"""The manifest: every emitted key leads to its plan value, and the same job gives the same bytes anywhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "deepseek-r1-70b.ft"


def _compile(spec: str, out: Path, cwd: Path, *more: str, seed: str = "0") -> dict:
    command = [sys.executable, "-m", "ftspec", "compile", spec, "--out", str(out), *more]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True)
    return json.loads((out / "manifest.json").read_text())


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return _compile(str(EXAMPLE), tmp_path_factory.mktemp("manifest") / "out", ROOT)


def test_the_same_bytes_from_another_folder_and_another_seed(tmp_path: Path) -> None:
    _compile(str(EXAMPLE), tmp_path / "a", ROOT, seed="1")
    _compile(f"./{EXAMPLE.name}", tmp_path / "b", EXAMPLE.parent, seed="2")
    first, second = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    )
    assert first == second


def test_each_file_has_the_origins_of_its_own_plan(manifest: dict) -> None:
    megatron = manifest["files"]["megatron/arguments.yaml"]["origins"]["accumulate-allreduce-grads-in-fp32"]
    assert "fp32" in megatron["origin"]
    deepspeed = manifest["files"]["deepspeed/ds_config.json"]["origins"]["train_batch_size"]
    line = next(
        number for number, text in enumerate(EXAMPLE.read_text().splitlines(), 1) if "global_batch_size" in text
    )
    assert deepspeed["plan"] == "training.global_batch_size"
    assert deepspeed["origin"].startswith(f"given at deepseek-r1-70b.ft:{line}:")


def test_every_emitted_flag_and_leaf_is_traced(manifest: dict, tmp_path: Path) -> None:
    _compile(str(EXAMPLE), tmp_path / "out", ROOT)
    arguments = (tmp_path / "out" / "megatron" / "arguments.yaml").read_text().splitlines()
    flags = {line.partition(":")[0] for line in arguments if line and not line.startswith("#")}
    assert flags == set(manifest["files"]["megatron/arguments.yaml"]["origins"])
    config = json.loads((tmp_path / "out" / "deepspeed" / "ds_config.json").read_text())
    assert set(_leaves(config)) == set(manifest["files"]["deepspeed/ds_config.json"]["origins"])


def _leaves(value: object, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}" if path else key)]
    return [path]


def test_settings_are_recorded(tmp_path: Path) -> None:
    manifest = _compile(str(EXAMPLE), tmp_path / "out", ROOT, "--set", "training.seed=7", "--to", "deepspeed")
    assert manifest["spec"]["settings"] == ["training.seed=7"]
