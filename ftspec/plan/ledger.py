"""The ledger of a resolution: every decision is taken through it, so that every plan value has an origin."""

from collections.abc import Mapping
from typing import TypeVar

from ftspec.core.finding import Finding
from ftspec.core.rule import Rule
from ftspec.core.source import START, Place, Span
from ftspec.plan.codes import AUTO_TAKEN_AS_DEFAULT
from ftspec.plan.origin import Origin
from ftspec.spec.kinds import Auto

Value = TypeVar("Value")


class Ledger:
    """Origins and findings of one resolution."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self.places = places
        self.origins: dict[str, Origin] = {}
        self.findings: list[Finding] = []

    def take(
        self, path: str, written: Value | Auto | None, default: Value, why: str, spec_path: str | None = None
    ) -> Value:
        """The written value, else `default` for the reason `why`. `spec_path` is where it is written, if not `path`."""
        if written is None or isinstance(written, Auto):
            self.origins[path] = Origin("default", why)
            if written is not None:
                taken = getattr(default, "kind", default)
                message = f"nothing here determines this `auto`; it is taken as {taken} ({why})"
                self.report(AUTO_TAKEN_AS_DEFAULT, spec_path or path, message, "write the value")
            return default
        self.given(path, spec_path or path)
        return written

    def given(self, path: str, spec_path: str) -> None:
        """Record that the user wrote the value of `path` at `spec_path`."""
        self.origins[path] = Origin("given", spec_path, self.places.get(spec_path))

    def derive(self, path: str, value: Value, formula: str) -> Value:
        """Record a value that a formula gives."""
        self.origins[path] = Origin("derived", formula)
        return value

    def look_up(self, path: str, value: Value, row: str) -> Value:
        """Record a value that a catalog row gives."""
        self.origins[path] = Origin("catalog", row)
        return value

    def where(self, path: str) -> Span:
        """The span of a written value, else of its nearest written parent, else of the file's start."""
        while path:
            if path in self.places:
                return self.places[path].value
            path = path.rpartition(".")[0]
        return START

    def take_or_look_up(
        self, path: str, written: Value | None, value: Value, row: str, spec_path: str | None = None
    ) -> Value:
        """The written value, else that of a catalog row."""
        if written is None:
            return self.look_up(path, value, row)
        self.given(path, spec_path or path)
        return written

    def wrote_into(self, path: str) -> bool:
        """Whether something was written there or inside: if it came to nothing, its own finding says why."""
        return path in self.places and ("." in path or any(each.startswith(f"{path}.") for each in self.places))

    def report(self, rule: Rule, path: str, message: str, help: str) -> None:
        """Report a finding at a spec path."""
        self.findings.append(rule.finding(message, self.where(path), help))
