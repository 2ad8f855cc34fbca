"""The codes of what keeps a spec from becoming a plan."""

from ftspec.core.finding import Severity
from ftspec.core.rule import declare

_GOOD = """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8 }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
target deepspeed {}
"""

MISSING_MODEL = declare(
    "FT801",
    Severity.ERROR,
    "the job has no model",
    "Parameters, memory and the legal layouts all follow from the model's shape. Nothing can be checked without it.",
    """ft 1
hardware { gpu = "H100-SXM5-80GB" }
""",
    _GOOD,
)
UNKNOWN_MODEL = declare(
    "FT802",
    Severity.ERROR,
    "the model is not known",
    "`model.from` names a row of the catalog (without regard to case) or the path of a Hugging Face "
    "config.json. A short name works where only one row can be meant.",
    """ft 1
model { from = "meta-llama/Llama-3.1-9B" }
hardware { gpu = "H100-SXM5-80GB" }
""",
    _GOOD,
)
BAD_CONFIG = declare(
    "FT803",
    Severity.ERROR,
    "the model's config.json cannot be used",
    "The shape is read from Hugging Face's config.json; a file that is missing, broken or incomplete gives no shape.",
    """ft 1
model { from = "./no-such-folder/config.json" }
hardware { gpu = "H100-SXM5-80GB" }
""",
    _GOOD,
)
INCOMPLETE_SHAPE = declare(
    "FT804",
    Severity.ERROR,
    "the model's shape is incomplete or impossible",
    "Without `from`, the shape fields must say enough to count the parameters exactly.",
    """ft 1
model { num_hidden_layers = 12  hidden_size = 768 }
hardware { gpu = "H100-SXM5-80GB" }
""",
    """ft 1
model {
  num_hidden_layers = 12
  hidden_size = 768
  intermediate_size = 3072
  num_attention_heads = 12
  vocab_size = 32000
}
hardware { gpu = "H100-SXM5-80GB"  gpus_per_node = 1 }
training { sequence_length = 1Ki }
""",
)
MISSING_GPU = declare(
    "FT805",
    Severity.ERROR,
    "the job has no hardware",
    "What fits, and which data types and networks there are, follows from the accelerator.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
""",
    _GOOD,
)
UNKNOWN_GPU = declare(
    "FT806",
    Severity.ERROR,
    "the accelerator is not known",
    "`hardware.gpu` names a row of the catalog. The name says which variant is meant: A100 is sold with "
    "40 and with 80 GB.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM6" }
""",
    _GOOD,
)
UNKNOWN_NETWORK = declare(
    "FT807",
    Severity.ERROR,
    "the network is not known",
    "`hardware.network` names a row of the catalog, or states a kind and a bandwidth.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB"  nodes = 2  network = "InfiniBand-NDX" }
""",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB"  nodes = 2  network = { kind = infiniband  bandwidth = 400Gbps } }
training { activation_checkpointing = full }
parallelism { zero_stage = 3 }
target deepspeed {}
""",
)
AUTO_TAKEN_AS_DEFAULT = declare(
    "FT808",
    Severity.NOTE,
    "an `auto` was filled by its default",
    "`data` and the batch are solved from the rest of the job. Where nothing determines an `auto`, the "
    "documented default is taken, which need not be the fastest.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
parallelism { tensor = auto  zero_stage = 3 }
target deepspeed {}
""",
    _GOOD,
)
STACK_WITHOUT_TARGET = declare(
    "FT809",
    Severity.ERROR,
    "the stack cannot run a target",
    "`training.stack` says who runs the job. A target emits files for certain stacks; files for another "
    "one would never be read.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
training { stack = ddp }
target megatron {}
""",
    _GOOD,
)
TOO_MANY_STAGES = declare(
    "FT810",
    Severity.ERROR,
    "the pipeline has more pieces than any model has layers",
    "Each pipeline stage, and each of its chunks, holds at least one layer. A count beyond all models is "
    "a slip of the keyboard, and nothing is laid out for it.",
    """ft 1
model { from = "meta-llama/Llama-3.1-8B" }
hardware { gpu = "H100-SXM5-80GB" }
parallelism { pipeline = 8  virtual_pipeline = 1000000 }
target megatron {}
""",
    _GOOD,
)
CONFIG_REMARK = declare(
    "FT811",
    Severity.NOTE,
    "a config.json was read with a reservation",
    "Something about the file is taken for granted, such as an unknown architecture that is read as the usual decoder.",
    "",
    "",
)
