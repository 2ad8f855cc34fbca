"""The site of a building: where each key is written, and what was found."""

from collections.abc import Mapping
from typing import Any

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.core.rule import Rule
from ftspec.core.source import Place, Span
from ftspec.spec.fields import Accepts
from ftspec.spec.values import FAILED


class Slot:
    """A field at its place: its key's name for messages, what it takes and its dotted path."""

    __slots__ = ("accepts", "name", "path")

    def __init__(self, name: str, accepts: Accepts, path: str) -> None:
        self.name = name
        self.accepts = accepts
        self.path = path


class Site:
    """Places of keys by dotted path, and the findings so far. `span` stands for what has no place."""

    def __init__(self, places: Mapping[str, Place], span: Span) -> None:
        self.places = places
        self.span = span
        self.findings: list[Finding] = []

    def where(self, path: str, key: bool = False) -> Span:
        """The span of a value (or its key), else of its nearest parent that has a place."""
        while path:
            place = self.places.get(path)
            if place is not None:
                return place.key if key else place.value
            path = path.rpartition(".")[0]
        return self.span

    def report(
        self, rule: Rule, path: str, message: str, help: str | None = None, *, fix: Fix | None = None, key: bool = False
    ) -> Any:
        """Report at a path and give the value of what failed. `key` points at the key, not the value."""
        self.findings.append(rule.finding(message, self.where(path, key), help, fix))
        return FAILED

    def replacement(self, path: str, written: str, right: str) -> Fix | None:
        """The fix that writes `right`, where the value's place holds exactly `written` and not, say, a `let`'s name."""
        place = self.places.get(path)
        if place is None or place.value.line != place.value.end_line:
            return None
        if place.value.end_column - place.value.column != len(written):
            return None
        return Fix(f"write `{right}`", (Edit(place.value, right),))
