"""Data flows one way: a lower layer never imports a higher one."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "ftspec"

LAYERS = (
    "core",
    "syntax",
    "spec",
    "catalog",
    "plan",
    "memory",
    "rules",
    "backends",
    "output",
    "checked",
    "pipeline",
    "reports",
    "api",
    "commands",
    "cli",
)
"""From the lowest to the highest. A module may import its own layer and those before it."""

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in LAYERS)


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported(path: Path) -> set[str]:
    layers: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"ftspec.{alias.name}" for alias in node.names] if node.module == "ftspec" else [node.module]
        layers |= {name.split(".")[1] for name in names if name.startswith("ftspec.") and name.split(".")[1] in LAYERS}
    return layers


def test_every_folder_has_a_layer() -> None:
    assert {_layer(path) for path in MODULES} == set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    own = LAYERS.index(_layer(path))
    higher = {layer for layer in _imported(path) if LAYERS.index(layer) > own}
    assert not higher, f"{path.relative_to(PACKAGE)} imports {sorted(higher)}, which build on it"
