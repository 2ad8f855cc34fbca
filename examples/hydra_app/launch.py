"""Print the launch command of a config tree that ftspec wrote, after any override that Hydra knows.

    ftspec compile job.ft --out out --to hydra
    python launch.py --config-path out/hydra parallelism.tensor=4

Whatever is overridden, derived values (data parallelism, accumulation, steps, …) are computed anew and the job
is checked again. A config that contradicts itself is refused with exit code 1.
"""

import sys

import hydra
from omegaconf import DictConfig

from ftspec.backends.hydra.application import absolute_config_path, prepare_launch


@hydra.main(version_base=None, config_path=None, config_name="config")
def launch(config: DictConfig) -> None:
    """Print one line: what starts the job."""
    print(prepare_launch(config).command)


if __name__ == "__main__":
    sys.argv[1:] = absolute_config_path(sys.argv[1:])
    launch()
