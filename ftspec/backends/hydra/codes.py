"""The codes of the Hydra target."""

from ftspec.core.finding import Severity
from ftspec.core.rule import declare

_JOB = """ft 1
name = "small"
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB"  gpus_per_node = 8 }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
"""

LOCAL_NEEDS_ONE_GPU = declare(
    "FT700",
    Severity.ERROR,
    "launcher local with more than one GPU",
    "`launcher = local` starts one Python process; a job on several GPUs needs one process for each, which torchrun "
    "or Slurm starts.",
    _JOB + "target hydra { launcher = local }\n",
    _JOB + "target hydra { launcher = torchrun }\n",
)
RAW_KEY_TAKEN = declare(
    "FT701",
    Severity.ERROR,
    "a raw key that the config tree uses itself",
    "Raw keys are merged into config.yaml beside the config groups. One with a group's name would override what the "
    "spec says, or be overridden by it, depending on the order of the defaults list; and that list itself selects the "
    "groups.",
    _JOB + "target hydra { raw { training { log_every = 10 } } }\n",
    _JOB + "target hydra { raw { logging { every = 10 } } }\n",
)
BAD_INTERPOLATION = declare(
    "FT702",
    Severity.ERROR,
    "a raw string that OmegaConf cannot read",
    "In raw strings `${…}` is an OmegaConf interpolation, so that they may refer to other keys. One that does not "
    "parse makes Hydra fail when it composes the config. A literal `${` is written `\\${`.",
    _JOB + 'target hydra { raw { run { folder = "out/${name" } } }\n',
    _JOB + 'target hydra { raw { run { folder = "out/${name}" } } }\n',
)
MISSING_MARK = declare(
    "FT703",
    Severity.ERROR,
    "a string that means 'missing' to OmegaConf",
    "OmegaConf reads the string `???` as a value that somebody has yet to give, and there is no way to escape it.",
    _JOB.replace('"small"', '"???"') + "target hydra {}\n",
    _JOB + "target hydra {}\n",
)
UNKNOWN_HYDRA_SETTING = declare(
    "FT704",
    Severity.ERROR,
    "raw hydra settings that Hydra does not have",
    "`raw { hydra { … } }` configures Hydra itself, which refuses keys and types that its own schema "
    "(hydra.conf.HydraConf) lacks.",
    _JOB + 'target hydra { raw { hydra { run { dirr = "out" } } } }\n',
    _JOB + 'target hydra { raw { hydra { run { dir = "out" } } } }\n',
)
