"""The terms of an estimate: what each is, the functions that work it out, and the plan values that it depends on.

The registry is `terms.json`. Formulas in words and their sources are the docstrings of the functions that it names;
`ftspec explain memory.TERM` and docs/memory.md show them. `tests/memory/test_terms.py` holds the inputs to what the
functions depend on.
"""

import importlib
import inspect
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from ftspec.core.resources import json_beside
from ftspec.plan.fields import value_at
from ftspec.plan.model import Plan

_PACKAGE = "ftspec.memory"
_SOURCE = re.compile(r"\w\.(py|h|cpp)\b|et al\.")
"""What a docstring names as its source: a file of a framework, or a paper."""


class Term(NamedTuple):
    """One term: what it is, its formula (a line for each part), the functions that work it out (`module:name` below
    ftspec.memory, or a module, for all of it that names a source), its inputs as plan paths, and the groups of
    `facts.json` that it uses.
    """

    name: str
    meaning: str
    formula: tuple[str, ...]
    functions: tuple[str, ...]
    inputs: tuple[str, ...]
    facts: tuple[str, ...]


class Work(NamedTuple):
    """A function that works a term out: its file, its name, and its docstring."""

    file: str
    name: str
    doc: str


class Fact(NamedTuple):
    """A number about a framework, by `group.name`, with its source."""

    name: str
    value: int
    source: str


@cache
def _registry() -> Any:
    return json_beside(__file__, "terms.json")


@cache
def terms() -> Mapping[str, Term]:
    """The terms by name, in the order in which they are shown, and after them what they sum to."""
    return {row["name"]: _term(row) for row in _registry()["terms"]}


def _term(row: Mapping[str, Any]) -> Term:
    groups = _registry()["groups"]
    inputs = [path for each in row["inputs"] for path in (groups[each[1:]] if each[0] == "@" else [each])]
    return Term(
        row["name"],
        row["meaning"],
        tuple(row["formula"]),
        tuple(row["functions"]),
        tuple(dict.fromkeys(inputs)),
        tuple(row.get("facts", ())),
    )


def symbols() -> Mapping[str, str]:
    """The letters of the formulas, and the plan paths that they stand for."""
    letters: Mapping[str, str] = _registry()["symbols"]
    return letters


def work_of(term: Term, plan: Plan | None = None) -> list[Work]:
    """The functions of a term, the one that says most first; of a plan's those of its stack and its optimizer. Raises
    AttributeError for one that is not there.
    """
    found: dict[tuple[str, str], Work] = {}
    for path in term.functions:
        if plan is not None and not _takes_part(path, plan):
            continue
        module, _, name = path.partition(":")
        for each in [name] if name else sourced(module):
            found.setdefault((module, each), _work(module, each))
    return list(found.values())


def _takes_part(path: str, plan: Plan) -> bool:
    """Whether a function's module works anything out for a plan's stack and optimizer."""
    parts = path.partition(":")[0].split(".")
    modules = {".".join(parts[: number + 1]) for number in range(len(parts))}
    for setting, rows in _registry()["only"].items():
        value = value_at(plan, setting)
        if any(value not in values for module, values in rows.items() if module in modules):
            return False
    return True


def sourced(module: str) -> list[str]:
    """The functions and classes of a module below ftspec.memory whose docstrings name a source."""
    loaded = importlib.import_module(f"{_PACKAGE}.{module}")
    own = {
        name: value
        for name, value in vars(loaded).items()
        if getattr(value, "__module__", None) == loaded.__name__ and callable(value)
    }
    return [name for name, value in own.items() if _SOURCE.search(inspect.getdoc(value) or "")]


def _work(module: str, name: str) -> Work:
    path = f"{_PACKAGE}.{module}"
    doc = inspect.getdoc(getattr(importlib.import_module(path), name)) or ""
    return Work(f"{path.replace('.', '/')}.py", name, doc)


def facts_of(term: Term) -> list[Fact]:
    """The numbers about frameworks that a term uses."""
    facts = json_beside(__file__, "facts.json")
    return [
        Fact(f"{group}.{name}", row["value"], row["source"])
        for group in term.facts
        for name, row in facts[group].items()
    ]
