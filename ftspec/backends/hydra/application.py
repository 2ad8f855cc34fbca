"""What a `@hydra.main` application needs: the launch command of its config, or a refusal that Hydra shows as such."""

import os
import sys
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from ftspec.backends.hydra.recompile import Recompiled, recompile
from ftspec.backends.hydra.tree import config_text
from ftspec.backends.hydra.yaml_text import yaml_text

CONFIG_PLACEHOLDER = "{config}"
"""In an argument of the script: the path of the resolved config that the run wrote."""

RESOLVED_CONFIG = "job.yaml"

_CONFIG_PATH = ("--config-path", "-cp")


class Refused(CompactHydraException):
    """The composed config is refused. Hydra prints the message, without a traceback, and exits with 1."""


def prepare_launch(config: DictConfig) -> Recompiled:
    """The consistent job of a composed config, its resolved config written to the run's output directory.

    What was recomputed, warnings and the reasons of a refusal go to standard error at once: of a sweep, Hydra
    shows only the first failure. Raises Refused.
    """
    job, problems = recompile(config)
    print(
        *problems,
        *(job.notes if job else ()),
        sep="\n",
        end="\n" if problems or (job and job.notes) else "",
        file=sys.stderr,
    )
    if job is None:
        raise Refused("the composed config was refused; nothing was launched")
    path = os.path.join(HydraConfig.get().runtime.output_dir, RESOLVED_CONFIG)
    arguments = [str(argument).replace(CONFIG_PLACEHOLDER, path) for argument in job.config["launcher"]["arguments"]]
    resolved = {**job.config, "launcher": {**job.config["launcher"], "arguments": arguments}}
    write_config(path, resolved)
    return job._replace(config=resolved)


def write_config(path: str, resolved: dict[str, Any]) -> None:
    """Write a resolved config as YAML that OmegaConf reads as the same values."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(yaml_text(config_text(resolved)))


def absolute_config_path(arguments: list[str]) -> list[str]:
    """The command line with `--config-path` made absolute.

    Hydra looks for a relative one beside the application's file; a user means one below the working directory.
    """
    made: list[str] = []
    for argument, before in zip(arguments, ["", *arguments], strict=False):
        option, equals, value = argument.partition("=")
        if equals and option in _CONFIG_PATH:
            made.append(f"{option}={os.path.abspath(value)}")
        else:
            made.append(os.path.abspath(argument) if before in _CONFIG_PATH else argument)
    return made
