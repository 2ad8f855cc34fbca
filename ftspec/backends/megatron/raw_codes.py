"""The codes of what can be wrong with a target block's raw keys and texts."""

from ftspec.backends.megatron.examples import megatron_job
from ftspec.core.finding import Severity
from ftspec.core.rule import declare

UNKNOWN = declare(
    "FT640",
    Severity.ERROR,
    "Megatron has no such flag",
    "Raw keys are flags of megatron-core 0.19.2, with underscores or, quoted, with dashes. argparse stops at one "
    "that it does not know.",
    megatron_job(target="raw { num_wrokers = 4 }"),
    megatron_job(target="raw { num_workers = 4 }"),
)
VALUE = declare(
    "FT641",
    Severity.ERROR,
    "the flag does not take this value",
    "Types and choices are those of Megatron's own parser.",
    megatron_job(target='raw { num_workers = "four" }'),
    megatron_job(target="raw { num_workers = 4 }"),
)
OWNED = declare(
    "FT642",
    Severity.ERROR,
    "a raw flag says what the spec says",
    "A flag that the plan decides would make the arguments differ from what was checked and estimated. The spec has "
    "a field for it.",
    megatron_job(target="raw { tensor_model_parallel_size = 2 }"),
    megatron_job(parallelism="tensor = 2"),
)
REFUSED = declare(
    "FT643",
    Severity.ERROR,
    "Megatron refuses this old flag",
    "The parser still knows the flag so that validate_args can refuse it.",
    megatron_job(target="raw { checkpoint_activations = true }"),
    megatron_job(training="activation_checkpointing = full  steps = 1000"),
)
DEPRECATED = declare(
    "FT644",
    Severity.WARNING,
    "Megatron ignores or replaces this old flag",
    "The flag is deprecated in megatron-core 0.19.2.",
    megatron_job(target="raw { use_mcore_models = true }"),
    megatron_job(),
)
NEEDED = declare(
    "FT645",
    Severity.ERROR,
    "a raw flag lacks the one that it needs",
    "validate_args asserts that the flags stand together, or drops the one in silence.",
    megatron_job(target='raw { save = "/checkpoints" }'),
    megatron_job(target='raw { save = "/checkpoints"  save_interval = 500 }'),
)
EXCLUDED = declare(
    "FT646",
    Severity.ERROR,
    "two flags exclude each other",
    "validate_args asserts that at most one of them is there.",
    megatron_job(target='data_path = "/data/tokens"  raw { mock_data = true }'),
    megatron_job(target="raw { mock_data = true }"),
)
TEXT = declare(
    "FT647",
    Severity.ERROR,
    "the text cannot stand on a command line",
    "An argument goes through a shell script and a file with one token a line, so it has no line breaks and no "
    "control characters; a text that begins with a dash is taken for a flag by argparse in a list, and by torchrun in "
    "place of the training script.",
    megatron_job(target='data_path = "/data\\ntokens"'),
    megatron_job(target='data_path = "/data/tokens"'),
)
TWICE = declare(
    "FT648",
    Severity.ERROR,
    "a raw flag is written twice",
    "Two keys spell the same flag, and Megatron would take the last one in silence.",
    megatron_job(target='raw { num_workers = 4  "num-workers" = 8 }'),
    megatron_job(target="raw { num_workers = 8 }"),
)
