"""The launch command: tokens that name other keys of the composed config, so that an override is never missed.

The command is `command` + `arguments`, quoted; where `submit` is not empty, that whole line is its last token.
"""

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ftspec.backends.hydra.leaf import Group, Leaf
from ftspec.backends.hydra.options import HydraOptions, Launcher, Local, Slurm, Torchrun
from ftspec.backends.hydra.yaml_text import escape_interpolation
from ftspec.plan.model import Plan

DEFAULT_SCRIPT = "train.py"
DEFAULT_PORT = 29500
"""torchrun's own default (torch/distributed/elastic/rendezvous/c10d_rendezvous_backend.py)."""

_SLURM_HEAD = '$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)'
_VARIABLE_HEAD = "${MASTER_ADDR:?must name the first node}"


def launch_line(launcher: Mapping[str, Any]) -> str:
    """The shell line of a resolved `launcher` group."""
    line = shlex.join([*map(str, launcher["command"]), *map(str, launcher["arguments"])])
    return shlex.join([*map(str, launcher["submit"]), line]) if launcher["submit"] else line


def slurm_time(seconds: float) -> str:
    """Seconds as Slurm writes them: `days-hours:minutes:seconds` (sbatch, --time), rounded up."""
    minutes, second = divmod(math.ceil(seconds), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"{day}-{hour:02d}:{minute:02d}:{second:02d}"


def launcher_group(plan: Plan, options: HydraOptions, launcher: Launcher) -> Group:
    """The `launcher` group for one launcher: its options, and the command that follows from them."""
    values = {
        "name": plan.name,
        "launcher.script": options.script or DEFAULT_SCRIPT,
        "launcher.nodes": plan.hardware.nodes,
        "launcher.gpus_per_node": plan.hardware.gpus_per_node,
        "launcher.port": getattr(launcher, "port", None) or DEFAULT_PORT,
    }
    values |= {f"launcher.{name}": getattr(launcher, name, None) for name in ("host", "partition", "account", "qos")}
    group: dict[str, Leaf] = {
        "kind": Leaf(launcher.kind, "constant: target hydra, launcher"),
        "script": Leaf(values["launcher.script"], "constant: target hydra, script"),
        "arguments": Leaf(list(options.arguments or ()), "constant: target hydra, arguments"),
        "nodes": Leaf(plan.hardware.nodes, "hardware.nodes", derived=True, text="${hardware.nodes}"),
        "gpus_per_node": Leaf(
            plan.hardware.gpus_per_node, "hardware.gpus_per_node", derived=True, text="${hardware.gpus_per_node}"
        ),
    }
    match launcher:
        case Torchrun():
            group |= _torchrun(plan, launcher, values)
        case Slurm():
            group |= _slurm(plan, launcher, values)
        case Local():
            group |= {
                "submit": _tokens([], values),
                "command": _tokens(["python", "${launcher.script}"], values, ("hardware.world_size",)),
            }
    return group


def _torchrun(plan: Plan, launcher: Torchrun, values: Mapping[str, Any]) -> dict[str, Leaf]:
    group = {"port": Leaf(values["launcher.port"], "constant: target hydra, launcher.port")}
    follows: tuple[str, ...] = ()
    if launcher.host is not None:
        group["host"] = Leaf(launcher.host, "constant: target hydra, launcher.host")
        endpoint = ["torchrun", "--rdzv-endpoint=${launcher.host}:${launcher.port}"]
    else:
        follows = ("hardware.nodes",)
        endpoint = (
            ["torchrun", "--rdzv-endpoint=localhost:${launcher.port}"]
            if plan.hardware.nodes == 1
            else _in_shell(_VARIABLE_HEAD)
        )
    command = [*endpoint, *_TORCHRUN_ARGUMENTS]
    return {**group, "submit": _tokens([], values), "command": _tokens(command, values, follows)}


def _slurm(plan: Plan, launcher: Slurm, values: Mapping[str, Any]) -> dict[str, Leaf]:
    group: dict[str, Leaf] = {}
    submit = ["sbatch", "--job-name=${name}", "--nodes=${launcher.nodes}", "--ntasks-per-node=1"]
    follows: tuple[str, ...] = ()
    if plan.hardware.accelerator.vendor == "cpu":
        follows = ("hardware.gpu",)
    else:
        submit.append("--gpus-per-node=${launcher.gpus_per_node}")
    for name in ("partition", "account", "qos"):
        if values[f"launcher.{name}"] is not None:
            group[name] = Leaf(values[f"launcher.{name}"], f"constant: target hydra, launcher.{name}")
            submit.append(f"--{name}=${{launcher.{name}}}")
    if launcher.time is not None:
        group["time"] = Leaf(launcher.time, "constant: target hydra, launcher.time")
        submit.append(f"--time={slurm_time(launcher.time)}")
        follows = (*follows, "launcher.time")
    group["port"] = Leaf(values["launcher.port"], "constant: target hydra, launcher.port")
    command = [
        "srun",
        "--nodes=${launcher.nodes}",
        "--ntasks-per-node=1",
        *_in_shell(_SLURM_HEAD),
        *_TORCHRUN_ARGUMENTS,
    ]
    return {**group, "submit": _tokens([*submit, "--wrap"], values, follows), "command": _tokens(command, values)}


_TORCHRUN_ARGUMENTS = (
    "--rdzv-backend=c10d",
    "--rdzv-id=${name}",
    "--nnodes=${launcher.nodes}",
    "--nproc-per-node=${launcher.gpus_per_node}",
    "${launcher.script}",
)


def _in_shell(head: str) -> list[str]:
    """torchrun under a shell that knows the first node only when it runs; the other arguments pass through."""
    return [
        "bash",
        "-c",
        f'exec torchrun --rdzv-endpoint="{escape_interpolation(head)}:${{launcher.port}}" "$@"',
        "torchrun",
    ]


def _tokens(tokens: Sequence[str], values: Mapping[str, Any], follows: tuple[str, ...] = ()) -> Leaf:
    """A list of tokens, each an OmegaConf text, and what they resolve to now."""
    return Leaf(
        [_resolved(token, values) for token in tokens],
        "constant: the launcher's command",
        derived=True,
        follows=follows,
        text=list(tokens),
    )


def _resolved(token: str, values: Mapping[str, Any]) -> str:
    """What OmegaConf makes of one of our tokens."""
    first, *rest = token.split("${")
    parts = [first]
    for part in rest:
        if parts[-1].endswith("\\"):
            parts[-1] = f"{parts[-1][:-1]}${{"
            parts.append(part)
        else:
            key, _, after = part.partition("}")
            parts += [f"{values[key]}", after]
    return "".join(parts)
