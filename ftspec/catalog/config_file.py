"""A config.json from disk: found, parsed and checked against its schema before anything is read from it."""

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_LARGEST_BYTES = 16 * 2**20


class ConfigProblem(NamedTuple):
    """Why a config.json cannot be read as a model, and what to do about it."""

    message: str
    help: str


_WANTED = "give the path of a Hugging Face config.json"


def _text(path: str) -> bytes | ConfigProblem:
    if os.path.isdir(path):
        return ConfigProblem("is a directory", f'write the file in it: "{os.path.join(path, "config.json")}"')
    if not os.path.exists(path):
        return ConfigProblem("there is no such file", f"{_WANTED}; it is looked for beside the spec")
    if not os.path.isfile(path):
        return ConfigProblem("is not a regular file", _WANTED)
    try:
        if os.path.getsize(path) > _LARGEST_BYTES:
            return ConfigProblem("is larger than 16 MiB, which no config.json is", _WANTED)
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return ConfigProblem(f"cannot be read: {error.strerror}", "make the file readable")


def _place(path: list[str | int]) -> str:
    return ".".join(str(part) for part in path)


@cache
def _validator() -> "Draft202012Validator":
    from jsonschema import Draft202012Validator

    from ftspec.core.resources import resource_path

    with open(resource_path("schemas", "huggingface_config.schema.json"), "rb") as file:
        return Draft202012Validator(json.load(file))


def _schema_problem(config: Mapping[str, Any]) -> ConfigProblem | None:
    errors = sorted(_validator().iter_errors(config), key=lambda error: _place(list(error.path)))
    if not errors:
        return None
    first = errors[0]
    more = f" ({len(errors) - 1} more values are wrong)" if len(errors) > 1 else ""
    value = json.dumps(first.instance)[:40]
    wanted = first.schema.get("description", first.message)
    return ConfigProblem(f"{_place(list(first.path))} is {value}{more}", f"{_place(list(first.path))}: {wanted}")


def _whole(value: Any) -> Any:
    """The value with whole floats (`4096.0`, which JSON Schema counts as integers) as ints."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value


def read_config_file(path: str) -> dict[str, Any] | ConfigProblem:
    """The object in a config.json, every known key of the right type and above its least value."""
    text = _text(path)
    if isinstance(text, ConfigProblem):
        return text
    try:
        config = json.loads(text)
    except UnicodeDecodeError:
        return ConfigProblem("is not text in UTF-8", _WANTED)
    except json.JSONDecodeError as error:
        return ConfigProblem(f"is not JSON: {error.msg} at line {error.lineno} column {error.colno}", _WANTED)
    except (ValueError, RecursionError):
        return ConfigProblem("is not JSON that can be read: too deep, or a number too long", _WANTED)
    if not isinstance(config, dict):
        return ConfigProblem("holds no JSON object at its top", _WANTED)
    try:
        return _schema_problem(config) or _whole(config)
    except RecursionError:
        return ConfigProblem("is nested too deep", _WANTED)
