"""Writes the index of the models' data files: `python -m ftspec.catalog.write_index` after a change to one."""

import json
from pathlib import Path

from ftspec.catalog.models import MODELS_FOLDER


def index_text(folder: Path) -> str:
    """The index of a folder of family files: the ids of each family, families and ids in the order of the files."""
    families = {}
    for path in sorted(folder.glob("*.json")):
        if path.name != "index.json":
            families[path.stem] = [row["id"] for row in json.loads(path.read_bytes())["models"]]
    return json.dumps({"families": families}, indent=1) + "\n"


if __name__ == "__main__":
    folder = Path(MODELS_FOLDER)
    (folder / "index.json").write_text(index_text(folder), encoding="utf-8")
