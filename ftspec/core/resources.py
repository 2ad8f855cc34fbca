"""The package's own data files: grammar and schemas, wherever ftspec is installed.

A wheel carries `grammar/` and `schemas/` inside the package; in a checkout (and an editable install)
they are top-level folders beside it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def resource_path(folder: str, name: str) -> Path:
    """The path of a data file, e.g. `resource_path("schemas", "spec.schema.json")`.

    Raises FileNotFoundError if the installation lacks it (a packaging fault of ours).
    """
    for root in (_PACKAGE, _PACKAGE.parent):
        path = root / folder / name
        if path.is_file():
            return path
    raise FileNotFoundError(f"this installation of ftspec lacks {folder}/{name}")


def resource_names(folder: str) -> list[str]:
    """The names of a folder's data files, sorted."""
    folders = (root / folder for root in (_PACKAGE, _PACKAGE.parent))
    return sorted(path.name for each in folders if each.is_dir() for path in each.iterdir() if path.is_file())
