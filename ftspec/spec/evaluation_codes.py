"""Codes of expressions and names: what keeps a text from having values."""

from ftspec.core.finding import Finding, Related, Severity
from ftspec.core.rule import declare
from ftspec.core.source import Span
from ftspec.spec.examples import job

DUPLICATE = declare(
    "FT100",
    Severity.ERROR,
    "the same thing is written twice",
    "Within one file each key, block, `let`, target and variant is written once: which of two was meant "
    "cannot be known. "
    "Overriding is between layers: a variant or `--set` over the file.",
    job("training { seed = 1  seed = 2 }"),
    job("training { seed = 2 }"),
)
UNKNOWN_NAME = declare(
    "FT101",
    Severity.ERROR,
    "a name that nothing has",
    "A bare word in arithmetic is the name of a `let` of this block or of one around it; a dotted path "
    "is a key that is written in the file.",
    job("let gpus = 16", "training { global_batch_size = gpsu * 2 }"),
    job("let gpus = 16", "training { global_batch_size = gpus * 2 }"),
)
CYCLE = declare(
    "FT102",
    Severity.ERROR,
    "values that need each other",
    "The order of `let`s is free, but a value must not be needed for its own calculation.",
    job("let a = b + 1", "let b = a - 1", "training { seed = a }"),
    job("let a = b + 1", "let b = 1", "training { seed = a }"),
)
BAD_OPERANDS = declare(
    "FT103",
    Severity.ERROR,
    "an operation on values that do not go together",
    "Units are types. Adding or comparing needs the same dimension on both sides; bytes divided by "
    "seconds are a data rate, and so on. "
    "`and`, `or`, `not` and the condition of `if` need true or false.",
    job("storage { read_bandwidth = 10GB / 1s + 5GB }"),
    job("storage { read_bandwidth = 10GB / 1s + 5GB/s }"),
)
DIVISION_BY_ZERO = declare(
    "FT104",
    Severity.ERROR,
    "division by zero",
    "A quotient or a remainder by zero has no value.",
    job("let nodes = 0", "training { global_batch_size = 64 / nodes }"),
    job("let nodes = 1", "training { global_batch_size = 64 / nodes }"),
)
OUT_OF_BOUNDS = declare(
    "FT105",
    Severity.ERROR,
    "a number too large or too small",
    "Frameworks hold whole numbers in 64 bits. ftspec calculates exactly with numbers of up to 60 digits "
    "between 10⁻³⁰ and 10³⁰; "
    "a number outside is a slip of the pen.",
    job("training { tokens = 1e999 }"),
    job("training { tokens = 1e9 }"),
)
UNKNOWN_UNIT = declare(
    "FT106",
    Severity.ERROR,
    "an unknown unit",
    "Units are written as in the table of the language: `80GB`, `80GiB`, `400Gbps`, `50GB/s`, `72h`, "
    "`4Ki`. Their case matters: `Gb` could be bits or bytes.",
    job("storage { checkpoint { every = 30m } }"),
    job("storage { checkpoint { every = 30min } }"),
)
BAD_CALL = declare(
    "FT107",
    Severity.ERROR,
    "a function that does not exist, or the wrong number of arguments",
    "The functions are `min`, `max` (two or more arguments), `ceil`, `floor` and `round` (one).",
    job("training { global_batch_size = maximum(8, 16) }"),
    job("training { global_batch_size = max(8, 16) }"),
)
NOT_KNOWN_YET = declare(
    "FT108",
    Severity.ERROR,
    "a reference to a value that is not written",
    "An expression may use what the file says. What is left out or `auto` is decided later, by the plan.",
    job("training { gradient_accumulation_steps = parallelism.data }", "parallelism { data = auto }"),
    job("training { gradient_accumulation_steps = parallelism.data }", "parallelism { data = 8 }"),
)
TOO_DEEP = declare(
    "FT109",
    Severity.ERROR,
    "values that need each other too deeply",
    "A value may need another value, which needs another, 100 deep: far more than a person can follow.",
    job(*(f"let a{step} = a{step + 1} + 1" for step in range(150)), "let a150 = 1"),
    job("let a0 = 1", "let a1 = a0 + 1"),
)
TAKEN_NAME = declare(
    "FT110",
    Severity.ERROR,
    "a name that is taken",
    "The word before `{ … }` is the block's `kind`, so the block cannot say another. "
    "`auto` is a value of the language, so no `let` can have that name.",
    job("training { optimizer = adamw { kind = sgd } }"),
    job("training { optimizer = adamw { beta1 = 0.9 } }"),
)
BAD_SETTING = declare(
    "FT111",
    Severity.ERROR,
    "`--set` was given something that is not `path=value`",
    "`--set` takes the path of a field (`parallelism.tensor=4`) or the name of a `let` (`gpus=64`), `=`, "
    "and an expression of the language. "
    "A string keeps its quotes, so protect them from the shell: `--set 'name=\"a\"'`.",
    "",
    "",
)


def written_twice(what: str, second: Span, first: Span) -> Finding:
    """The finding for the second of two statements that say the same thing."""
    before = "" if first.source else f", first in line {first.line}"
    related = (Related("first written here", first),)
    return DUPLICATE.finding(f"{what} is written twice{before}", second, "keep one of the two", related=related)
