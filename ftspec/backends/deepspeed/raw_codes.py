"""The codes of findings about raw keys, apart from what finds them: a check without raw keys needs no more."""

from ftspec.backends.deepspeed.rules.registry import TARGET
from ftspec.core.finding import Severity
from ftspec.core.rule import declare
from ftspec.rules.example import job


def _raw_job(raw: str) -> str:
    return job(parallelism="zero_stage = 3") + f"target deepspeed {{ raw {{ {raw} }} }}\n"


_GOOD = _raw_job("zero_optimization { stage3_max_live_parameters = 500000000 }")

UNKNOWN_KEY = declare(
    "FT500",
    Severity.ERROR,
    "DeepSpeed has no such key",
    "At the top level DeepSpeed ignores unknown keys in silence; inside most sections it refuses them.",
    _raw_job("zero_optimization { stage3_max_live_parametrs = 500000000 }"),
    _GOOD,
)
WRONG_VALUE = declare(
    "FT501",
    Severity.ERROR,
    "DeepSpeed does not take this value",
    "DeepSpeed checks some values when it loads the file, others when it first uses them, and quoted "
    "numbers not at all.",
    _raw_job('zero_optimization { stage3_max_live_parameters = "1e9" }'),
    _GOOD,
)
CONTRADICTION = declare(
    "FT502",
    Severity.ERROR,
    "a raw key says something else than the plan",
    "What the plan decides is written in the spec's own fields, so that every check, the memory estimate "
    "and the other targets see it.",
    _raw_job("zero_optimization { stage = 2 }"),
    job(parallelism="zero_stage = 2") + TARGET,
)
REMOVED_KEY = declare(
    "FT503",
    Severity.ERROR,
    "DeepSpeed has removed this key",
    "DeepSpeed refuses a file with a key of a feature that it has removed.",
    _raw_job("sparse_gradients = true"),
    _GOOD,
)
DEPRECATED_KEY = declare(
    "FT504",
    Severity.WARNING,
    "the key is deprecated",
    "DeepSpeed still reads the key and warns.",
    _raw_job("zero_optimization { stage3_gather_fp16_weights_on_model_save = true }"),
    _raw_job("zero_optimization { stage3_gather_16bit_weights_on_model_save = true }"),
)
NO_EFFECT = declare(
    "FT505",
    Severity.WARNING,
    "the raw key has no effect in this plan",
    "DeepSpeed reads the keys of a part that is off, such as `fp16` under bf16 or ZeRO 3's below stage 3, and does not "
    "use them (deepspeed/runtime/engine.py, `_configure_zero_optimizer`). The job would not be the one that was meant.",
    _raw_job("fp16 { loss_scale = 128 }"),
    _raw_job("zero_optimization { zero_quantized_gradients = true }"),
)
