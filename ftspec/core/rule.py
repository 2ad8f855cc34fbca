"""Rules: what a finding's code means, with an example that breaks it and one that does not.

Every code of ftspec is declared once, beside the code that reports it. `ftspec explain CODE` reads
the declaration and the tests run its examples.
"""

from typing import NamedTuple

from ftspec.core.finding import Finding, Fix, Related, Severity
from ftspec.core.source import START, Span


class Rule(NamedTuple):
    """One code. `explanation` says why it matters; `bad` and `good` are whole specs (or raw text)."""

    code: str
    severity: Severity
    title: str
    explanation: str
    bad: str
    good: str

    def finding(
        self,
        message: str,
        span: Span = START,
        help: str | None = None,
        fix: Fix | None = None,
        related: tuple[Related, ...] = (),
    ) -> Finding:
        """A finding of this rule at a place."""
        return Finding(self.code, self.severity, message, span, help, fix, related)


_RULES: dict[str, Rule] = {}


def declare(code: str, severity: Severity, title: str, explanation: str, bad: str, good: str) -> Rule:
    """Declare a code. Raises ValueError if it is taken: a code means one thing for ever."""
    if code in _RULES:
        raise ValueError(f"{code} is declared twice")
    _RULES[code] = Rule(code, severity, title, explanation, bad, good)
    return _RULES[code]


def declared_rules() -> dict[str, Rule]:
    """Every rule declared by the modules imported so far, by code."""
    return dict(sorted(_RULES.items()))
