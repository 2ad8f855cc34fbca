"""Asks the real DeepSpeed what it makes of a configuration, in this process and without a GPU."""

import copy
import logging
from typing import Any, NamedTuple

from deepspeed.runtime import config
from deepspeed.utils import logger

logger.setLevel(logging.ERROR)


class Loaded(NamedTuple):
    """What DeepSpeed read, or why it refused."""

    config: Any
    refusal: str | None


def load(settings: dict[str, Any], data_parallel: int) -> Loaded:
    """Read a configuration as rank 0 of a job.

    `data_parallel` is what DeepSpeed divides the batch by: what an mpu says, or else every process.
    """
    dist = config.dist
    kept = dist.get_rank, dist.get_world_size
    dist.get_rank, dist.get_world_size = (lambda *_, **__: 0), (lambda *_, **__: data_parallel)
    try:
        return Loaded(config.DeepSpeedConfig(copy.deepcopy(settings)), None)
    except Exception as error:
        return Loaded(None, f"{type(error).__name__}: {error}")
    finally:
        dist.get_rank, dist.get_world_size = kept
