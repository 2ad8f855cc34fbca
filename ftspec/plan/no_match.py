"""How a name that means no row of the catalog is told to people."""

from ftspec.catalog.names import NoMatch
from ftspec.core.rule import Rule
from ftspec.plan.ledger import Ledger


def report_no_match(
    ledger: Ledger, rule: Rule, path: str, kind: str, written: str, found: NoMatch, otherwise: str
) -> None:
    """Report a `kind` ("model", "network") of no or of several rows; `otherwise` is the help where nothing is near."""
    ledger.report(rule, path, f'no {kind} of the catalog is called "{written}"{found.reason}', found.help(otherwise))
