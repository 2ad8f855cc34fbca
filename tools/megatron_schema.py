"""Write schemas/megatron_arguments.schema.json: Megatron-LM's own argument parser as a JSON Schema.

    python tools/megatron_schema.py > schemas/megatron_arguments.schema.json

Run it where torch and megatron-core are installed; a test compares the result with the committed file.
"""

import argparse
import enum
import json
import sys
import typing
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

PATTERN = r"^[0-9]+$|^[,0-9\[\]()+*]*\[[,0-9\[\]()+*]*$"
"""An integer, or the list expressions that `_eval_pattern` of megatron/training/arguments.py accepts."""
NAMED_TYPES: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bool": {"enum": ["true"]},
    "moe_freq_type": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": PATTERN}]},
    "no_rope_freq_type": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": PATTERN}]},
    "la_freq_type": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": PATTERN}]},
    "tuple_type": {"type": "string", "pattern": r"^\(?-?[0-9]+(,-?[0-9]+)*\)?$"},
    "_parse_cuda_graph_modules_arg": {"type": "string"},
}


def schema_of(parser: argparse.ArgumentParser, megatron_version: str) -> dict[str, Any]:
    """The parser as a schema of a mapping flag → value; every spelling of a flag is a property."""
    properties = {
        flag.removeprefix("--"): _property(action, flag)
        for action in parser._actions
        if action.dest != "help"
        for flag in action.option_strings
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Arguments of Megatron-LM's pretrain_gpt.py: flag without dashes → value, true for a flag without one",
        "x-source": f"megatron-core {megatron_version}, megatron/training/arguments.py, `add_megatron_arguments`",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _property(action: argparse.Action, flag: str) -> dict[str, Any]:
    if action.nargs == 0:
        schema: dict[str, Any] = {"const": True}
    else:
        schema = _several(_item(action), action.nargs)
    schema["x-destination"] = action.dest
    if (
        action.nargs != 0
        and isinstance(action.default, str | int | float)
        and not isinstance(action.default, enum.Enum)
    ):
        schema["default"] = action.default
    return schema


def _item(action: argparse.Action) -> dict[str, Any]:
    if action.choices is not None:
        return {"enum": [choice.name if isinstance(choice, enum.Enum) else choice for choice in action.choices]}
    name = "str" if action.type is None else getattr(action.type, "__name__", "str")
    return dict(NAMED_TYPES[name])


def _several(item: dict[str, Any], nargs: int | str | None) -> dict[str, Any]:
    """One value alone may stand for a list of one."""
    if nargs is None:
        return item
    if isinstance(nargs, int):
        return {"type": "array", "items": item, "minItems": nargs, "maxItems": nargs}
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1 if nargs == "+" else 0}]}


def megatron_parser() -> argparse.ArgumentParser:
    """Megatron's own parser, on a machine that need not have a GPU or Python 3.12."""
    import typing_extensions

    typing.override = typing_extensions.override  # type: ignore[attr-defined,unused-ignore]
    import torch

    torch.cuda.get_device_properties = lambda *_, **__: SimpleNamespace(major=9, minor=0)
    from megatron.training.arguments import add_megatron_arguments

    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_megatron_arguments(parser)
    return parser


def schema_text(schema: dict[str, Any]) -> str:
    """The file's text: one property a line."""
    properties = schema.pop("properties")
    head = json.dumps(schema, indent=2).removesuffix("\n}")
    lines = ",\n".join(f"    {json.dumps(flag)}: {json.dumps(each)}" for flag, each in properties.items())
    return f'{head},\n  "properties": {{\n{lines}\n  }}\n}}\n'


if __name__ == "__main__":
    sys.stdout.write(schema_text(schema_of(megatron_parser(), version("megatron-core"))))
