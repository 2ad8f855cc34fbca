"""A plan to the files of the tree."""

from collections.abc import Mapping, Sequence
from typing import Any

from ftspec.backends.base import Artefact, TargetOptions
from ftspec.backends.hydra.groups import plan_groups
from ftspec.backends.hydra.launch import launcher_group
from ftspec.backends.hydra.leaf import Group
from ftspec.backends.hydra.names import option_names
from ftspec.backends.hydra.options import HydraOptions, Launcher, Local, Slurm, Torchrun
from ftspec.backends.hydra.raw import plain_raw
from ftspec.backends.hydra.schema import tree_problems
from ftspec.backends.hydra.tree import config_text, default_values, file_content, resolved_config, resolved_values
from ftspec.backends.hydra.yaml_text import scalar, yaml_text
from ftspec.plan.model import Plan

_NOTES = {
    "launcher": (
        "The command is `command` + `arguments`, each token quoted for the shell;",
        "where `submit` is not empty, that whole line is its last token.",
    )
}


def compile_tree(plan: Plan, target: TargetOptions) -> list[Artefact]:
    """The files: config.yaml, one option of each group, and every launcher.

    Raises ValueError if they break our schema, which is a fault of ours.
    """
    options: HydraOptions = target.options
    chosen = options.launcher or Torchrun()
    groups = plan_groups(plan)
    problems = tree_problems(
        {"name": plan.name, **resolved_config({**groups, "launcher": launcher_group(plan, options, chosen)})}
    )
    if problems:
        raise ValueError(f"the Hydra tree breaks its schema: {problems[0]}")
    names = option_names(plan)
    selected = [{group: names[group]} for group in groups] + [{"launcher": chosen.kind}]
    artefacts = [_config(plan, groups, selected, plain_raw(target.raw))]
    artefacts += [_group_file(plan, name, names[name], group, groups) for name, group in groups.items()]
    return artefacts + [
        _group_file(plan, "launcher", launcher.kind, launcher_group(plan, options, launcher), groups)
        for launcher in _launchers(chosen)
    ]


def _launchers(chosen: Launcher) -> list[Launcher]:
    """The chosen launcher with its options, and the others as `launcher=…` may select them."""
    return [chosen if isinstance(chosen, kind) else kind() for kind in (Torchrun, Slurm, Local)]


def _comments(plan: Plan, notes: Sequence[str] = ()) -> list[str]:
    return [
        f"Written by ftspec from the job {scalar(plan.name)}; change the spec, or override on the command line.",
        *notes,
    ]


def _config(
    plan: Plan, groups: Mapping[str, Group], selected: list[dict[str, str]], raw: Mapping[str, Any]
) -> Artefact:
    ours = {"raw": config_text(list(raw)), "defaults": config_text(default_values(groups))}
    content = {"defaults": [*selected, "_self_"], "name": config_text(plan.name), **raw, "ftspec": ours}
    origins = {
        "defaults": "constant: the options of this job",
        "name": "name",
        "ftspec.raw": "constant: the keys of raw",
    }
    origins |= {
        f"ftspec.defaults.{group}": "constant: the defaults that the spec left open" for group in ours["defaults"]
    }
    origins |= dict.fromkeys(raw, "raw")
    return Artefact("hydra/config.yaml", yaml_text(content, _comments(plan)), origins)


def _group_file(plan: Plan, name: str, option: str, group: Group, groups: Mapping[str, Group]) -> Artefact:
    resolved = {"name": plan.name, **resolved_values({**groups, name: group})}
    if (name, option) == ("launcher", Local().kind):
        resolved["hardware.world_size"] = 1
    content, origins = file_content(name, group, resolved)
    return Artefact(f"hydra/{name}/{option}.yaml", yaml_text(content, _comments(plan, _NOTES.get(name, ()))), origins)
