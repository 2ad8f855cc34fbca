#!/usr/bin/env python3
"""Write schemas/deepspeed.schema.json from the installed DeepSpeed, by introspection.

    DS_ACCELERATOR=cpu python tools/deepspeed_schema.py [OUTPUT]

Sections that DeepSpeed declares as pydantic models are exported from those. For the rest the real
`DeepSpeedConfig` is given a mapping that records which keys are asked for and with what default, so a
key that a new version reads (or no longer reads) changes the schema. What neither can know (the type
of a key whose default is None, keys that only the engine reads) is in the tables below.
"""

import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("DS_ACCELERATOR", "cpu")

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer", "minimum": 1}
_SWITCH: Schema = {"type": "boolean"}
_MODES = ("WARN", "IGNORE", "FAIL")
_STAGES: Schema = {"anyOf": [_WHOLE, {"const": "auto"}], "default": "auto"}
_NUMBERS: Schema = {"type": "array", "items": {"type": "number"}}

_RATES = ("cycle_max_lr", "cycle_min_lr", "lr_range_test_min_lr", "warmup_max_lr", "warmup_min_lr")
"""Rates that may be one number, or one for each group of parameters."""

OPTIONAL_TEXTS = (
    "expert_activation",
    "expert_pattern",
    "expert_w1",
    "expert_w2",
    "expert_w3",
    "moe_layer_pattern",
    "num_experts_attr",
    "preset_model",
    "router_pattern",
    "shared_experts_gate_pattern",
    "shared_experts_pattern",
    "top_k_attr",
)
"""Keys of expert_parallel whose default is None."""

PYDANTIC = {
    "fp16": "deepspeed.runtime.precision_config.DeepSpeedFP16Config",
    "bf16": "deepspeed.runtime.precision_config.DeepSpeedBF16Config",
    "bfloat16": "deepspeed.runtime.precision_config.DeepSpeedBF16Config",
    "zero_optimization": "deepspeed.runtime.zero.config.DeepSpeedZeroConfig",
    "tensor_parallel": "deepspeed.runtime.tensor_parallel.config.TPTrainingConfig",
    "compile": "deepspeed.compile.config.CompileConfig",
    "hybrid_engine": "deepspeed.runtime.config.HybridEngineConfig",
    "weight_quantization": "deepspeed.inference.config.WeightQuantConfig",
    "comms_logger": "deepspeed.comm.config.CommsLoggerConfig",
    "tensorboard": "deepspeed.monitor.config.TensorBoardConfig",
    "wandb": "deepspeed.monitor.config.WandbConfig",
    "csv_monitor": "deepspeed.monitor.config.CSVConfig",
    "comet": "deepspeed.monitor.config.CometConfig",
    "timers.throughput": "deepspeed.utils.config.DeepSpeedThroughputTimerConfig",
}
"""Sections with a pydantic model of their own."""

RECORDED = (
    "optimizer",
    "scheduler",
    "activation_checkpointing",
    "torch_autocast",
    "data_types",
    "checkpoint",
    "checkpoint.writer",
    "checkpoint.parallel_write",
    "aio",
    "flops_profiler",
    "autotuning",
    "autotuning.model_info",
    "data_efficiency",
    "expert_parallel",
    "timers",
)
"""Sections that are read key by key."""

ENGINE_KEYS: dict[str, Schema] = {
    "sequence_parallel_size": _WHOLE,
    "data_parallel_size": _WHOLE,
    "vocabulary_size": _WHOLE,
}
"""Top-level keys that are read outside `_initialize_params`: DeepSpeedConfig.__init__, deepspeed.initialize and
DeepSpeedConfig._do_warning_check."""

STATED: dict[str, Schema] = {
    "train_batch_size": _WHOLE,
    "train_micro_batch_size_per_gpu": _WHOLE,
    "gradient_accumulation_steps": _WHOLE,
    "steps_per_print": {"type": ["integer", "null"], "minimum": 1},
    "gradient_clipping": {"type": "number", "minimum": 0},
    "communication_data_type": {"enum": ["fp32", "fp16", "bf16", None]},
    "seq_parallel_communication_data_type": {"enum": ["fp32", "fp16", "bf16", None]},
    "gradient_allreduce_op": {"enum": ["mean", "sum"]},
    "log_level": {"type": ["string", "null"]},
    "datastates_ckpt": {"type": ["object", "boolean", "null"]},
    "activation_checkpointing.number_checkpoints": {"type": ["integer", "null"], "minimum": 1},
    "checkpoint.tag_validation": {
        "enum": [form(mode) for form in (str.upper, str.title, str.lower) for mode in _MODES]
    },
    "checkpoint.writer.data_parallel": {"type": ["string", "null"]},
    "data_types.grad_accum_dtype": {"enum": ["fp32", "fp16", "bf16", None]},
    "data_types.param_dtype": {"enum": ["fp32", "fp16", "bf16", None]},
    "data_types.buffer_dtype": {"enum": ["fp32", "fp16", "bf16", None]},
    "data_types.keep_in_fp32_modules": {"anyOf": [{"const": "auto"}, {"type": "array", "items": _TEXT}]},
    "torch_autocast.dtype": {
        "enum": ["bfloat16", "bf16", "torch.bfloat16", "float16", "fp16", "half", "torch.float16"]
    },
    "torch_autocast.lower_precision_safe_modules": {"type": "array", "items": _TEXT},
    "flops_profiler.output_file": {"type": ["string", "null"]},
    "expert_parallel.top_k": {"anyOf": [{"const": "auto"}, _WHOLE]},
    "expert_parallel.routed_scaling_factor": {"anyOf": [{"const": "auto"}, {"type": "number"}]},
    "expert_parallel.load_balance_coeff": {"type": "null"},
    **{f"expert_parallel.{name}": {"type": ["string", "null"]} for name in OPTIONAL_TEXTS},
    **{f"expert_parallel.{name}": {"type": ["boolean", "null"]} for name in ("has_shared_experts", "route_norm")},
    "expert_parallel.num_expert_groups": {"type": ["integer", "null"]},
    "expert_parallel.num_limited_groups": {"type": ["integer", "null"]},
    "optimizer.type": _TEXT,
    "optimizer.legacy_fusion": _SWITCH,
    "scheduler.type": _TEXT,
    **{f"optimizer.params.{name}": {"type": ["boolean", "null"]} for name in ("foreach", "fused")},
    **{f"scheduler.params.{name}": {"anyOf": [{"type": "number"}, _NUMBERS]} for name in _RATES},
    "scheduler.params.total_num_steps": _WHOLE,
    "scheduler.params.warmup_num_steps": _WHOLE,
    "scheduler.params.warmup_type": {"enum": ["linear", "log"]},
}
"""Types that the defaults do not tell. The dtype spellings are those of deepspeed.runtime.config.DtypeEnum."""

OPTIMIZERS = (
    "deepspeed.ops.adam.FusedAdam",
    "deepspeed.ops.adam.DeepSpeedCPUAdam",
    "deepspeed.ops.adagrad.DeepSpeedCPUAdagrad",
    "deepspeed.ops.lamb.FusedLamb",
    "deepspeed.ops.lion.FusedLion",
    "deepspeed.ops.lion.DeepSpeedCPULion",
    "torch.optim.AdamW",
    "torch.optim.SGD",
    "torch.optim.Adagrad",
    "torch.optim.Adafactor",
)
ENGINE_OPTIMIZER_KEYS: dict[str, Schema] = {
    "torch_adam": _SWITCH,
    "adam_w_mode": _SWITCH,
    "fp32_optimizer_states": _SWITCH,
    "max_grad_norm": {"type": "number"},
    "muon_lr": {"type": "number"},
    "adam_lr": {"type": "number"},
    "ns_method": _TEXT,
    "per_head_muon": _SWITCH,
}
"""Keys of optimizer.params that the engine takes itself (DeepSpeedEngine._configure_basic_optimizer and around)."""

SCHEDULERS = ("LRRangeTest", "OneCycle", "WarmupLR", "WarmupDecayLR", "WarmupCosineLR")
_LEFT_OUT = frozenset({"title", "description", "$defs", "set_new_param"})
_CONSTRUCTED = frozenset({"self", "params", "model_params", "optimizer", "closure", "args", "kwargs"})


class Recorder(dict[str, Any]):
    """A mapping that notes each key asked for and the default offered; `sections` exist, nothing else does."""

    def __init__(self, name: str, seen: dict[str, Any], sections: tuple[str, ...], values: dict[str, Any]) -> None:
        super().__init__(values)
        self.name, self.seen, self.sections = name, seen, sections

    def _path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def _note(self, key: str, default: Any = None) -> bool:
        if self.seen.get(self._path(key)) is None:
            self.seen[self._path(key)] = default
        return self._path(key) in self.sections

    def _section(self, key: str) -> "Recorder":
        return Recorder(self._path(key), self.seen, self.sections, {})

    def __contains__(self, key: object) -> bool:
        return self._note(str(key)) or super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        return self._section(key) if self._note(key) else super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:  # type: ignore[override]
        """As `dict.get`, noted."""
        return self._section(key) if self._note(key, default) else super().get(key, default)

    def keys(self) -> Any:
        """The mapping itself: DeepSpeed asks `key in config.keys()`."""
        return self

    def items(self) -> Any:
        """Nothing: what is asked for by name is what counts."""
        return ()

    def __copy__(self) -> "Recorder":
        return self

    def __bool__(self) -> bool:
        return True


def recorded_keys() -> dict[str, Any]:
    """Every dotted key that the real DeepSpeedConfig asks for, with the default that it offers."""
    from deepspeed.runtime import config

    seen: dict[str, Any] = {}
    start = {"train_batch_size": 1, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 1}
    config.DeepSpeedConfig(Recorder("", seen, RECORDED, start))
    return seen


def _imported(path: str) -> Any:
    import importlib

    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _typed(default: Any) -> Schema:
    """The schema that a default suggests; {} where it tells nothing."""
    if isinstance(default, bool):
        return {"type": "boolean", "default": default}
    if isinstance(default, int):
        return {"type": "integer", "default": default}
    if isinstance(default, float):
        return {"type": "number", "default": default}
    if isinstance(default, str):
        return {"type": "string", "default": default}
    return {"type": ["array", "null"]} if isinstance(default, list | tuple) else {}


def _flat(node: Any, definitions: Schema) -> Any:
    """A pydantic schema without references, titles and what JSON cannot hold."""
    if isinstance(node, list):
        return [_flat(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        return _flat({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    kept = {key: value for key, value in node.items() if key not in _LEFT_OUT}
    if "properties" in kept:
        flat = {key: _flat(value, definitions) for key, value in kept["properties"].items()}
        kept["properties"] = {key: value for key, value in flat.items() if value and "x-python" not in value}
    return _plain({key: value if key == "properties" else _flat(value, definitions) for key, value in kept.items()})


def _plain(node: Schema) -> Schema:
    """`X or null` as one schema; a section is never null in a file that we write."""
    other = [part for part in node.get("anyOf", ()) if part != {"type": "null"}]
    if len(other) == 1 and len(node["anyOf"]) == 2:
        scalar = "properties" not in other[0] and isinstance(other[0].get("type"), str)
        nullable = {"type": [other[0]["type"], "null"]} if scalar else {}
        node = {**{key: value for key, value in node.items() if key != "anyOf"}, **other[0], **nullable}
    if "enum" in node:
        node["enum"] = list(dict.fromkeys(node["enum"]))
    return {key: value for key, value in node.items() if not (key == "default" and value in (None, {}, []))}


def _model_schema(path: str) -> Schema:
    """The schema of a pydantic model; a field with an alias is listed under both names, as DeepSpeed takes both."""
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
            return {"x-python": True}

        def encode_default(self, default: Any) -> Any:
            """DeepSpeed's `pp_int` as the int that it is, its config objects as no default."""
            if isinstance(default, int) and not isinstance(default, bool):
                return int(default)
            return default if isinstance(default, bool | str | float | dict | list | tuple) else None

    model = _imported(path)
    extras = [field.json_schema_extra for field in model.model_fields.values()]
    extras = [extra for extra in extras if isinstance(extra, dict)]
    functions = [extra.pop("new_param_fn", None) for extra in extras]
    exported = model.model_json_schema(by_alias=True, schema_generator=Generator)
    for extra, function in zip(extras, functions, strict=True):
        extra.update({"new_param_fn": function} if function else {})
    schema: Schema = _flat(exported, exported.get("$defs", {}))
    for name, field in model.model_fields.items():
        if field.alias and field.alias != name:
            schema["properties"][name] = schema["properties"][field.alias]
    return {**schema, "type": "object", "additionalProperties": False}


def _parameters(paths: tuple[str, ...], extra: dict[str, Schema]) -> Schema:
    """The keyword arguments of some classes' constructors, all together; what has no telling default is open."""
    properties: dict[str, Schema] = {}
    for path in paths:
        for name, parameter in inspect.signature(_imported(path)).parameters.items():
            if name in _CONSTRUCTED:
                continue
            default = parameter.default
            if isinstance(default, tuple):
                properties[name] = {"anyOf": [_NUMBERS, {"type": "number"}]} if name == "eps" else _NUMBERS
            elif isinstance(default, bool):
                properties.setdefault(name, _SWITCH)
            elif isinstance(default, str):
                properties.setdefault(name, _TEXT)
            elif isinstance(default, int | float):
                properties.setdefault(name, {"type": "number"})
            else:
                properties.setdefault(name, {})
    eps: Schema = {"anyOf": [{"type": "number"}, _NUMBERS]}
    known = {**properties, **extra, **({"eps": eps} if "eps" in properties else {})}
    return {"type": "object", "properties": dict(sorted(known.items())), "additionalProperties": False}


def _place(root: Schema, path: str, schema: Schema) -> None:
    """Put a schema under a dotted path, making the sections on the way."""
    *sections, name = path.split(".")
    node = root
    for section in sections:
        node = node["properties"].setdefault(section, {})
        node.setdefault("type", "object")
        node.setdefault("properties", {})
        node.setdefault("additionalProperties", False)
    known = node["properties"].get(name, {})
    inferred = {key: value for key, value in known.items() if key != "type" or "anyOf" not in schema}
    node["properties"][name] = {**inferred, **schema}


def build_schema() -> Schema:
    """The whole schema of the installed DeepSpeed."""
    import deepspeed
    from deepspeed.runtime import config

    root: Schema = {"properties": {}}
    for path, default in recorded_keys().items():
        if path.split(".")[0] not in PYDANTIC and path not in config._REMOVED_TOP_LEVEL_CONFIG_KEYS:
            _place(root, path, _typed(default))
    for path, model in PYDANTIC.items():
        _place(root, path, _model_schema(model))
    for name, default in config.get_pipeline_config({}).items():
        _place(root, f"pipeline.{name}", _STAGES if name == "stages" else _typed(default))
    _place(root, "pipeline.use_reentrant", _SWITCH)
    _place(root, "optimizer.params", _parameters(OPTIMIZERS, ENGINE_OPTIMIZER_KEYS))
    schedulers = tuple(f"deepspeed.runtime.lr_schedules.{name}" for name in SCHEDULERS)
    _place(root, "scheduler.params", _parameters(schedulers, {}))
    for path, schema in {**ENGINE_KEYS, **STATED}.items():
        _place(root, path, schema)
    root["properties"]["data_efficiency"] = {"type": "object"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "DeepSpeed configuration",
        "x-source": f"deepspeed {deepspeed.__version__}, by introspection (tools/deepspeed_schema.py)",
        "x-removed": {**config._REMOVED_TOP_LEVEL_CONFIG_KEYS, **_removed_zero_keys(config._REMOVED_ZERO_CONFIG_KEYS)},
        "type": "object",
        "properties": dict(sorted(root["properties"].items())),
        "additionalProperties": False,
    }


def _removed_zero_keys(removed: dict[str, str]) -> dict[str, str]:
    return {f"zero_optimization.{key}": message for key, message in removed.items()}


def rendered(schema: Schema) -> str:
    """The text of the schema file."""
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def main() -> int:
    """Write the file; the first argument overrides where."""
    default = Path(__file__).resolve().parent.parent / "schemas" / "deepspeed.schema.json"
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    output.write_text(rendered(build_schema()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
