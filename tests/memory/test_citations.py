"""What the memory model's docstrings cite of installed frameworks exists there."""

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from ftspec.core.resources import json_beside
from ftspec.memory import facts
from ftspec.rules import registry

ROOT = Path(facts.__file__).parent
CITED = re.compile(r"([\w/]+/\w+\.py),? (`[^`]+`(?:(?:,| and) `[^`]+`)*)")
PLAIN = re.compile(r"([\w/]+/\w+\.py), (\w+)")


def folder_of(package: str) -> Path | None:
    """Where an installed package lies; None if it is none."""
    found = find_spec(package)
    places = None if found is None else found.submodule_search_locations
    return None if not places else Path(next(iter(places)))


def docstrings(path: Path) -> Iterator[str]:
    """The strings of a module that cite something, each on one line; a path may be broken behind a slash."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ".py" in node.value:
            yield re.sub(r"(?<=\w/) (?=\w)", "", " ".join(node.value.split()))


def missing(cited: str, names: list[str]) -> list[str]:
    """What an installed package lacks of a cited file: the file, or names in it."""
    package, _, rest = cited.partition("/")
    folder = folder_of(package)
    if folder is None:
        return []
    if not (folder / rest).is_file():
        return [cited]
    text = (folder / rest).read_text(encoding="utf-8")
    return [f"{cited}, {name}" for name in names if not re.search(rf"\b{re.escape(name.split('.')[-1])}\b", text)]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_cited_functions_exist(path: Path) -> None:
    absent = [
        each
        for text in docstrings(path)
        for cited, names in CITED.findall(text)
        for each in missing(cited, re.findall("`([^`]+)`", names))
    ]
    assert absent == []


def test_many_citations_are_of_installed_packages() -> None:
    texts = [text for path in ROOT.rglob("*.py") for text in docstrings(path)]
    cited = {file for text in texts for file, _ in CITED.findall(text) if folder_of(file.partition("/")[0])}
    assert len(cited) > 50


def test_what_costs_of_changes_cite_exists() -> None:
    rows = json_beside(registry.__file__, "change_costs.json")["costs"]
    cited = [found for row in rows for found in PLAIN.findall(row["source"])]
    assert [each for file, name in cited for each in missing(file, [name])] == []


def test_an_absent_function_and_an_absent_file_are_found() -> None:
    assert missing("torch/optim/adam.py", ["_fused_adamw"]) == ["torch/optim/adam.py, _fused_adamw"]
    assert missing("torch/optim/no_such.py", ["step"]) == ["torch/optim/no_such.py"]
