"""The shipped application: run as a program, and its recompilation of what the real Hydra composes."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from ftspec.backends.hydra.recompile import Recompiled, recompile
from ftspec.core.finding import Severity
from tests.backends.hydra.trees import PRETRAIN, SMALL, composed, write_tree

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = ROOT / "examples" / "hydra_app" / "launch.py"
BLOCK = """target hydra {
  launcher = torchrun { host = "node-0" }
  arguments = ["--config", "{config}"]
  raw { log { every = 10 } }
}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(PRETRAIN + BLOCK, tmp_path_factory.mktemp("out"))


def run(tree: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The application in a folder of its own; `--config-path` is relative, as a user types it."""
    command = [sys.executable, str(APPLICATION), "--config-path", os.path.relpath(tree, folder), *arguments]
    environment = untraced_environment()
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def untraced_environment() -> dict[str, str]:
    """Without coverage's tracer in the process: Hydra takes one for a debugger and prints tracebacks for it."""
    return {name: value for name, value in os.environ.items() if "COV" not in name} | {"PYTHONPATH": str(ROOT)}


def job_of(tree: Path, *overrides: str) -> Recompiled:
    job, problems = recompile(composed(tree, *overrides))
    assert job is not None, problems
    return job


def refusal(tree: Path, *overrides: str) -> str:
    job, problems = recompile(composed(tree, *overrides))
    assert job is None
    return "\n".join(map(str, problems))


def test_the_launch_command_is_printed(tree: Path, tmp_path: Path) -> None:
    done = run(tree, tmp_path, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    resolved = tmp_path / "run" / "job.yaml"
    assert shlex.split(done.stdout) == [
        "torchrun",
        "--rdzv-endpoint=node-0:29500",
        "--rdzv-backend=c10d",
        "--rdzv-id=r1-70b",
        "--nnodes=16",
        "--nproc-per-node=8",
        "train.py",
        "--config",
        str(resolved),
    ]
    written = yaml.safe_load(resolved.read_text(encoding="utf-8"))
    assert (written["parallelism"]["data"], written["model"]["num_hidden_layers"], written["log"]) == (
        4,
        80,
        {"every": 10},
    )


def test_an_override_is_recomputed_and_said(tree: Path, tmp_path: Path) -> None:
    done = run(tree, tmp_path, "parallelism.tensor=4", "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert "parallelism.data: recomputed: 8 (compiled as 4)" in done.stderr
    written = yaml.safe_load((tmp_path / "run" / "job.yaml").read_text(encoding="utf-8"))
    assert written["parallelism"]["data"] == 8
    assert written["training"]["gradient_accumulation_steps"] == 32


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("hardware.world_size=64", "derived from hardware.nodes"),
        ("parallelism.data=7", "FT201"),
        ("parallelism.tensor=eight", "integer"),
        ("+modl=x", "did you mean `model`"),
        ("parallelism.tensr=8", "tensr"),
        ("model=nothing", "nothing"),
    ],
)
def test_a_contradiction_is_refused(tree: Path, tmp_path: Path, override: str, words: str) -> None:
    done = run(tree, tmp_path, override, "hydra.run.dir=run")
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "run" / "job.yaml").exists()


def test_a_sweep_prints_one_command_a_job(tree: Path, tmp_path: Path) -> None:
    done = run(
        tree,
        tmp_path,
        "--multirun",
        "name=a,b",
        "hydra.sweep.dir=sweep",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
    )
    assert done.returncode == 0, done.stderr
    ids = [token for token in shlex.split(done.stdout) if token.startswith("--rdzv-id=")]
    assert ids == ["--rdzv-id=a", "--rdzv-id=b"]
    assert sorted(path.parent.name for path in (tmp_path / "sweep").glob("*/job.yaml")) == ["0", "1"]


def test_a_sweep_with_a_refused_job_fails_and_runs_the_others(tree: Path, tmp_path: Path) -> None:
    done = run(tree, tmp_path, "--multirun", "parallelism.data=7,4", "hydra.sweep.dir=sweep")
    assert done.returncode == 1
    assert "FT201" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.parent.name for path in (tmp_path / "sweep").glob("*/job.yaml")] == ["1"]


def test_without_a_tree_hydra_says_so(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere", tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_config_dir_finds_the_tree_too(tree: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(APPLICATION), "--config-dir", str(tree), "hydra.run.dir=run"]
    environment = untraced_environment()
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("torchrun ")


def test_no_override_recompiles_to_the_same_values(tree: Path) -> None:
    config = OmegaConf.to_container(composed(tree), resolve=True)
    assert isinstance(config, dict)
    job = job_of(tree)
    assert [note for note in job.notes if note.severity is Severity.NOTE] == []
    for key, value in job.config.items():
        assert (
            value == {name: item for name, item in config[key].items() if name != "derived"}
            if isinstance(value, dict)
            else config[key]
        )


def test_the_whole_config_follows_an_override(tree: Path) -> None:
    job = job_of(
        tree, "model.from=meta-llama/Llama-3.1-8B", "parallelism.pipeline=1", "hardware.nodes=4", "training.tokens=2e9"
    )
    assert job.config["model"]["num_hidden_layers"] == 32
    assert job.config["hardware"]["world_size"] == 32
    assert job.config["parallelism"]["data"] == 4
    assert job.config["training"]["steps"] == -(-2 * 10**9 // (256 * 4096))
    assert "--nnodes=4" in job.command


def test_null_and_auto_mean_not_written(tree: Path) -> None:
    job = job_of(tree, "training.seed=null", "parallelism.data=auto", "~precision.compute")
    assert job.config["training"]["seed"] == 1234
    assert job.config["parallelism"]["data"] == 4
    assert job.config["precision"]["compute"] == "bf16"


def test_raw_keys_may_be_overridden_and_refer_to_ours(tree: Path) -> None:
    job = job_of(tree, "log.every=${training.micro_batch_size}", "training.micro_batch_size=2")
    assert job.config["log"] == {"every": 2}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["training.global_batch_size=6"], "global_batch_size"),
        (["launcher=local"], "FT700"),
        (["launcher.nodes=3"], "hardware.nodes"),
        (["launcher.command=[x]"], "launcher.command"),
        (["launcher.port=0"], "minimum"),
        (["model.parameters=3"], "model.parameters"),
        (["+model.norm=none"], "norm"),
        (["training.seed=${oc.env:NO_SUCH_VARIABLE}"], "NO_SUCH_VARIABLE"),
        (["training.seed=???"], "training.seed"),
        (["~training"], "training"),
        (["model.from=meta-llama/Llama-3.1-9B"], "8B"),
        (["hardware.gpu=T4", "precision.compute=fp16"], "FT4"),
        (["training.method.kind=lorra"], "lora"),
        (["parallelism={tensor: [1]}"], "parallelism"),
    ],
)
def test_refusals(tree: Path, overrides: list[str], words: str) -> None:
    assert words in refusal(tree, *overrides)


def test_what_the_spec_wrote_stays_written(tmp_path: Path) -> None:
    """All three of the batch were given: an override of one is refused, not corrected behind the user's back."""
    text = SMALL.replace(
        "steps = 1000", "micro_batch_size = 1  global_batch_size = 16  gradient_accumulation_steps = 2  steps = 10"
    )
    tree = write_tree(text, tmp_path)
    assert job_of(tree).config["training"]["gradient_accumulation_steps"] == 2
    assert "16" in refusal(tree, "training.micro_batch_size=2")
    assert (
        job_of(tree, "training.micro_batch_size=2", "training.global_batch_size=32").config["parallelism"]["data"] == 8
    )


def test_a_given_accumulation_decides_the_global_batch(tmp_path: Path) -> None:
    tree = write_tree(SMALL.replace("steps = 1000", "gradient_accumulation_steps = 4  steps = 10"), tmp_path)
    assert job_of(tree, "training.micro_batch_size=2").config["training"]["global_batch_size"] == 64


def test_a_model_of_a_config_file_is_launched_without_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree states the whole shape, biases included, so it does not need the file again."""
    from transformers import Qwen2Config

    monkeypatch.chdir(tmp_path)
    Qwen2Config(
        hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2
    ).save_pretrained(".")
    tree = write_tree(SMALL.replace('"meta-llama/Llama-3.2-1B"', '"./config.json"'), tmp_path / "out")
    before = composed(tree).model
    (tmp_path / "config.json").unlink()
    assert job_of(tree).config["model"]["parameters"] == before.parameters
    job = job_of(tree, "model.num_hidden_layers=8")
    per_layer = (before.parameters - _embedding(before)) // 4
    assert job.config["model"]["parameters"] == before.parameters + 4 * per_layer


def _embedding(model: object) -> int:
    """Parameters outside the layers: both embeddings and the last norm."""
    return 2 * model.vocab_size * model.hidden_size + model.hidden_size  # type: ignore[attr-defined]


EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.ft") if "as-published" not in path.name)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_composes_and_recompiles_to_itself(path: Path, tmp_path: Path) -> None:
    config = composed(write_tree(path.read_text(encoding="utf-8"), tmp_path))
    resolved = OmegaConf.to_container(config, resolve=True)
    job, problems = recompile(config)
    assert job is not None, problems
    assert isinstance(resolved, dict)
    for group in ("model", "hardware", "precision", "parallelism", "training", "launcher"):
        assert job.config[group] == {key: value for key, value in resolved[group].items() if key != "derived"}
