"""Reference data beside the checkout: read where it exists; tests that need it skip where it does not."""

import json
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "reference"


def reference_path(name: str) -> Path:
    """The path of a reference file; skips the calling test (or module) if it is not there."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(f"no reference data {name} here", allow_module_level=True)
    return path


def reference_json(name: str) -> Any:
    """The content of a JSON reference file."""
    return json.loads(reference_path(name).read_text(encoding="utf-8"))
