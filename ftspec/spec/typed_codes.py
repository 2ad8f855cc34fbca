"""Codes of fields: what keeps a written value from being the value of a field."""

from ftspec.core.finding import Severity
from ftspec.core.rule import declare
from ftspec.spec.examples import job

UNKNOWN_FIELD = declare(
    "FT120",
    Severity.ERROR,
    "a key that its block does not have",
    "A key that nobody reads would be a setting that silently does not hold. "
    "ftspec knows the usual names of other tools and says which key is meant.",
    job("parallelism { tensor_model_parallel_size = 2 }"),
    job("parallelism { tensor = 2 }"),
)
WRONG_TYPE = declare(
    "FT121",
    Severity.ERROR,
    "a value of the wrong type",
    "Each field takes one type of value: a whole number, a number with a unit, true or false, a word, a "
    "string or a list.",
    job('training { global_batch_size = "64" }'),
    job("training { global_batch_size = 64 }"),
)
WRONG_UNIT = declare(
    "FT122",
    Severity.ERROR,
    "a number with the wrong unit, or without one",
    "Units are types: a size is in bytes, a bandwidth in bytes or bits per second, a length in tokens "
    "has none. 80 alone could be GB or GiB.",
    job("storage { read_bandwidth = 10GB }"),
    job("storage { read_bandwidth = 10GB/s }"),
)
OUT_OF_RANGE = declare(
    "FT123",
    Severity.ERROR,
    "a number outside of what the field can be",
    "A count is at least 1, a probability below 1, a ZeRO stage 0 to 3, and so on.",
    job("training { micro_batch_size = 0 }"),
    job("training { micro_batch_size = 1 }"),
)
NOT_WHOLE = declare(
    "FT124",
    Severity.ERROR,
    "a number that has to be whole and is not",
    "GPUs, layers and samples come whole. A division gives a whole number only where it leaves no remainder.",
    job("let gpus = 12", "training { gradient_accumulation_steps = gpus / 8 }"),
    job("let gpus = 16", "training { gradient_accumulation_steps = gpus / 8 }"),
)
UNKNOWN_WORD = declare(
    "FT125",
    Severity.ERROR,
    "a word that the field does not know",
    "Fields with a fixed choice take one of their words.",
    job("precision { compute = bfloat16 }"),
    job("precision { compute = bf16 }"),
)
QUOTES = declare(
    "FT126",
    Severity.ERROR,
    "a word in quotes, or a string without",
    "Words of the language stand bare (`compute = bf16`); names and paths are strings in quotes, "
    'as in `gpu = "H100-SXM5-80GB"`.',
    job('precision { compute = "bf16" }'),
    job("precision { compute = bf16 }"),
)
AUTO_NOT_ALLOWED = declare(
    "FT127",
    Severity.ERROR,
    "`auto` where nothing could fill it",
    "`auto` leaves a value to the planner or to a formula. "
    "This field is yours to say, or has a default if it is left out.",
    job("training { seed = auto }"),
    job("training { seed = 1 }"),
)
BLOCK_OR_VALUE = declare(
    "FT128",
    Severity.ERROR,
    "a block where a value belongs, or a value where a block belongs",
    "`training { … }` is a block, `sequence_length = 4Ki` a value.",
    job("precision = bf16"),
    job("precision { compute = bf16 }"),
)
MISSING_KIND = declare(
    "FT129",
    Severity.ERROR,
    "a block that does not say which one it is",
    "Where a field takes one of several blocks, the word before `{` says which: `method = lora { rank = 16 }`.",
    job("training { method = { rank = 16 } }"),
    job("training { method = lora { rank = 16 } }"),
)
BAD_TEXT = declare(
    "FT130",
    Severity.ERROR,
    "a string that cannot be used here",
    "The job's name becomes part of file and job names, so it has no slash, no control character and at "
    "most 100 characters. Other strings are printable.",
    'ft 1\nname = "a/b"\n' + job().removeprefix("ft 1\n"),
    'ft 1\nname = "a-b"\n' + job().removeprefix("ft 1\n"),
)
DECIMAL_LENGTH = declare(
    "FT131",
    Severity.WARNING,
    "a sequence length in decimal thousands",
    "`4k` is 4,000 and `4Ki` is 4,096. Sequence lengths are nearly always powers of two, and 4,000 "
    "tokens would waste kernels and divide badly.",
    job("training { sequence_length = 4k }"),
    job("training { sequence_length = 4Ki }"),
)
