"""The launch commands, run by a real shell with stand-ins for Slurm and torchrun."""

import json
import os
import shlex
import stat
import subprocess
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ftspec.backends.hydra.launch import launch_line, slurm_time
from tests.backends.hydra.trees import ONE_GPU, PRETRAIN, SMALL, composed, write_tree

_RECORD = "#!/bin/sh\nexec python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\"\n"
_SBATCH = '#!/bin/sh\nfor line in "$@"; do :; done\nexec sh -c "$line"\n'
_SRUN = '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n'
_SCONTROL = "#!/bin/sh\necho first-node\necho second-node\n"


@pytest.fixture
def stand_ins(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH begins with the stand-ins."""
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = {"torchrun": _RECORD, "python": _RECORD, "sbatch": _SBATCH, "srun": _SRUN, "scontrol": _SCONTROL}
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "node[1-2]"}


def line_of(text: str, folder: Path, *overrides: str) -> str:
    launcher = OmegaConf.to_container(composed(write_tree(text, folder), *overrides).launcher, resolve=True)
    assert isinstance(launcher, dict)
    return launch_line({str(key): value for key, value in launcher.items()})


def reached(line: str, environment: dict[str, str]) -> list[str]:
    """The arguments that the launched program gets."""
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    arguments = json.loads(done.stdout)
    assert isinstance(arguments, list)
    return arguments


ODD = 'target hydra { launcher = %s  script = "my train.py"  arguments = ["--note", "it\'s $HOME `x` ${y}"] }\n'
TAIL = ["my train.py", "--note", "it's $HOME `x` ${y}"]


def test_torchrun_on_one_node(tmp_path: Path, stand_ins: dict[str, str]) -> None:
    arguments = reached(line_of(SMALL + ODD % "torchrun", tmp_path), stand_ins)
    assert arguments == [
        "--rdzv-endpoint=localhost:29500",
        "--rdzv-backend=c10d",
        "--rdzv-id=small",
        "--nnodes=1",
        "--nproc-per-node=8",
        *TAIL,
    ]


def test_torchrun_on_many_nodes_asks_for_the_first(tmp_path: Path, stand_ins: dict[str, str]) -> None:
    line = line_of(PRETRAIN + ODD % "torchrun { port = 4000 }", tmp_path)
    without = subprocess.run(["sh", "-c", line], env=stand_ins, capture_output=True, text=True, check=False)
    assert without.returncode != 0
    assert "MASTER_ADDR" in without.stderr
    arguments = reached(line, {**stand_ins, "MASTER_ADDR": "node-7"})
    assert arguments[0] == "--rdzv-endpoint=node-7:4000"
    assert arguments[3:] == ["--nnodes=16", "--nproc-per-node=8", *TAIL]


def test_torchrun_with_a_stated_host(tmp_path: Path) -> None:
    line = line_of(PRETRAIN + 'target hydra { launcher = torchrun { host = "node-0" } }\n', tmp_path)
    assert shlex.split(line) == [
        "torchrun",
        "--rdzv-endpoint=node-0:29500",
        "--rdzv-backend=c10d",
        "--rdzv-id=r1-70b",
        "--nnodes=16",
        "--nproc-per-node=8",
        "train.py",
    ]


def test_slurm(tmp_path: Path, stand_ins: dict[str, str]) -> None:
    line = line_of(PRETRAIN + ODD % 'slurm { partition = "h100"  account = "a b"  qos = "high"  time = 72h }', tmp_path)
    submit = shlex.split(line)
    assert submit[:-1] == [
        "sbatch", "--job-name=r1-70b", "--nodes=16", "--ntasks-per-node=1", "--gpus-per-node=8",
        "--partition=h100", "--account=a b", "--qos=high", "--time=3-00:00:00", "--wrap",
    ]  # fmt: skip
    assert shlex.split(submit[-1])[:3] == ["srun", "--nodes=16", "--ntasks-per-node=1"]
    arguments = reached(line, stand_ins)
    assert arguments == [
        "--rdzv-endpoint=first-node:29500",
        "--rdzv-backend=c10d",
        "--rdzv-id=r1-70b",
        "--nnodes=16",
        "--nproc-per-node=8",
        *TAIL,
    ]


def test_slurm_without_gpus_asks_for_none(tmp_path: Path) -> None:
    text = (
        (Path(__file__).parents[3] / "examples" / "tiny-cpu.ft")
        .read_text(encoding="utf-8")
        .replace("target hydra {}", "")
    )
    assert "--gpus-per-node" not in line_of(text + "target hydra { launcher = slurm }\n", tmp_path)


def test_local(tmp_path: Path, stand_ins: dict[str, str]) -> None:
    assert reached(line_of(ONE_GPU + ODD % "local", tmp_path), stand_ins) == TAIL


def test_another_launcher_can_be_selected(tmp_path: Path) -> None:
    line = line_of(ONE_GPU + "target hydra { launcher = local }\n", tmp_path, "launcher=slurm")
    assert shlex.split(line)[0] == "sbatch"


def test_an_override_reaches_the_command(tmp_path: Path) -> None:
    line = line_of(SMALL, tmp_path, "hardware.gpus_per_node=4", "launcher.script=b.py", "name=n", "launcher.port=1")
    assert shlex.split(line) == [
        "torchrun",
        "--rdzv-endpoint=localhost:1",
        "--rdzv-backend=c10d",
        "--rdzv-id=n",
        "--nnodes=1",
        "--nproc-per-node=4",
        "b.py",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "0-00:00:01"), (0.2, "0-00:00:01"), (5400, "0-01:30:00"), (259200, "3-00:00:00")]
)
def test_slurm_time(seconds: float, text: str) -> None:
    assert slurm_time(seconds) == text
