"""The package's own data files, wherever ftspec is installed.

A wheel carries `grammar/` and `schemas/` inside the package; in a checkout (and an editable install)
they are top-level folders beside it. What a check reads goes through `os.path`: importing pathlib costs 5 ms.
"""

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_ROOTS = (_PACKAGE, os.path.dirname(_PACKAGE))


def resource_path(folder: str, name: str) -> "Path":
    """The path of a data file, e.g. `resource_path("schemas", "spec.schema.json")`.

    Raises FileNotFoundError if the installation lacks it (a packaging fault of ours).
    """
    from pathlib import Path

    return Path(_find(folder, name))


def read_resource(folder: str, name: str) -> str:
    """The text of a data file. Raises FileNotFoundError if the installation lacks it."""
    with open(_find(folder, name), encoding="utf-8") as file:
        return file.read()


def resource_names(folder: str) -> list[str]:
    """The names of a folder's data files, sorted."""
    folders = (os.path.join(root, folder) for root in _ROOTS)
    return sorted({name for each in folders if os.path.isdir(each) for name in os.listdir(each)})


def json_beside(module_file: str, *names: str) -> Any:
    """The JSON file that lies beside a module of ours: `json_beside(__file__, "rows.json")`."""
    with open(os.path.join(os.path.dirname(module_file), *names), encoding="utf-8") as file:
        return json.load(file)


def _find(folder: str, name: str) -> str:
    for root in _ROOTS:
        path = os.path.join(root, folder, name)
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(f"this installation of ftspec lacks {folder}/{name}")
