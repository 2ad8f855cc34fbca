"""train.sh, run for real with a torchrun that only says what it was given."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ftspec.backends.megatron import BACKEND
from ftspec.backends.megatron.argument import tokens
from ftspec.backends.megatron.compilation import planned_arguments
from ftspec.plan.model import Plan
from ftspec.spec.model import Hardware
from tests.backends.megatron.plans import make_plan, make_target

NASTY = 'it\'s "$HOME" `id` $(id); rm -rf / #&| *'
OPTIONS = {"data_path": NASTY, "tokenizer": "$(touch owned)"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fake = tmp_path / "bin" / "torchrun"
    fake.parent.mkdir()
    fake.write_text('#!/usr/bin/env bash\nprintf "%s\\0" "CONNECTIONS=$CUDA_DEVICE_MAX_CONNECTIONS" "$@"\n')
    fake.chmod(0o755)
    return tmp_path


def run(folder: Path, plan: Plan, *extra: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = folder / "train.sh"
    script.write_text(BACKEND.compile(plan, make_target(**OPTIONS))[2].text)
    clean = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": "/nowhere", **environment}
    return subprocess.run(
        ["bash", str(script), *extra], capture_output=True, text=True, env=clean, cwd=folder, check=False
    )


def test_torchrun_gets_exactly_the_arguments(folder: Path) -> None:
    plan = make_plan(name=NASTY)
    done = run(folder, plan, "--save", "/some where")
    assert done.returncode == 0, done.stderr
    given = done.stdout.split("\0")[:-1]
    arguments = [
        token for argument in planned_arguments(plan, make_target(**OPTIONS).options) for token in tokens(argument)
    ]
    assert given == [
        "CONNECTIONS=1",
        "--nnodes=1",
        "--nproc-per-node=8",
        f"--rdzv-id={NASTY}",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=localhost:29500",
        "pretrain_gpt.py",
        *arguments,
        "--save",
        "/some where",
    ]
    assert not (folder / "owned").exists()


def test_the_environment_decides_where_it_runs(folder: Path) -> None:
    plan = make_plan(hardware=Hardware(gpu="H100-SXM5-80GB", nodes=4, gpus_per_node=8))
    done = run(
        folder, plan, MASTER_ADDR="node0", MASTER_PORT="1234", MEGATRON_SCRIPT="/opt/pretrain_gpt.py", RDZV_ID="7"
    )
    given = done.stdout.split("\0")[1:7]
    assert given == [
        "--nnodes=4",
        "--nproc-per-node=8",
        "--rdzv-id=7",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=node0:1234",
        "/opt/pretrain_gpt.py",
    ]


def test_a_script_is_never_an_option_of_torchrun() -> None:
    refused = BACKEND.check(make_plan(), make_target(script="--standalone"))
    [finding] = [each for each in refused if each.code == "FT647"]
    assert finding.help == "write ./--standalone"
    assert "FT647" not in [each.code for each in BACKEND.check(make_plan(), make_target(script="./--standalone"))]


def test_several_nodes_need_an_address(folder: Path) -> None:
    done = run(folder, make_plan(hardware=Hardware(gpu="H100-SXM5-80GB", nodes=2, gpus_per_node=8)))
    assert done.returncode == 2
    assert "MASTER_ADDR" in done.stderr


@pytest.mark.parametrize("nodes", ["2", "0", "01", "08", "-1", "many", "1 + 0", "x[$(touch owned)]", str(2**64 + 1)])
def test_another_number_of_gpus_is_refused(folder: Path, nodes: str) -> None:
    done = run(folder, make_plan(), NNODES=nodes, MASTER_ADDR="node0")
    assert done.returncode != 0
    assert not done.stdout
    assert not (folder / "owned").exists()


@pytest.mark.parametrize(
    "check",
    [["bash", "-n"], [str(Path(sys.executable).with_name("shellcheck")), "--severity=style"]],
    ids=["bash", "shellcheck"],
)
def test_the_script_is_clean(folder: Path, check: list[str]) -> None:
    run(folder, make_plan(name=NASTY))
    done = subprocess.run([*check, str(folder / "train.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
