"""How a name that means no row of the catalog is told to people."""

from ftspec.catalog.names import NoMatch
from ftspec.core.rule import Rule
from ftspec.plan.ledger import Ledger

_MOST = 6


def report_no_match(
    ledger: Ledger, rule: Rule, path: str, kind: str, written: str, found: NoMatch, otherwise: str
) -> None:
    """Report a `kind` ("model", "network") of no or of several rows; `otherwise` is the help where nothing is near."""
    if found.ambiguous:
        names = ", ".join(found.ambiguous[:_MOST])
        more = f" and {len(found.ambiguous) - _MOST} more" if len(found.ambiguous) > _MOST else ""
        ledger.report(
            rule,
            path,
            f'"{written}" can mean several {kind}s: {names}{more}',
            "write the whole id of the one that is meant",
        )
        return
    near = ", ".join(found.suggestions)
    ledger.report(
        rule,
        path,
        f'no {kind} of the catalog is called "{written}"',
        f"did you mean {near}? {otherwise}" if near else otherwise,
    )
