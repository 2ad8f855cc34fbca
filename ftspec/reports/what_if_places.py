"""Where a finding about a `--what-if` stands: in the text of that option, not among those of `--set`."""

from collections.abc import Sequence
from itertools import accumulate

from ftspec.core.finding import Finding
from ftspec.core.source import COMMAND_LINE, Span

WHAT_IF = "--what-if"
"""The source of such spans: its n-th line is the n-th `--what-if`, whose settings are joined by commas."""


def what_if_text(settings: Sequence[str], number: int) -> str:
    """The source in which the n-th line is one `--what-if`."""
    return "\n" * (number - 1) + ",".join(settings)


def in_what_if(finding: Finding, before: int, settings: Sequence[str], number: int) -> Finding:
    """A finding of a check whose settings are `before` of `--set` and then those of the n-th `--what-if`."""
    starts = [0, *accumulate(len(each) + 1 for each in settings)]

    def moved(span: Span) -> Span:
        place = span.line - before - 1
        if span.source != COMMAND_LINE or place < 0:
            return span
        return Span(number, span.column + starts[place], number, span.end_column + starts[place], WHAT_IF)

    span = moved(finding.span)
    path = WHAT_IF if span.source == WHAT_IF else finding.path
    related = tuple(each._replace(span=moved(each.span)) for each in finding.related)
    return finding._replace(span=span, path=path, related=related)
