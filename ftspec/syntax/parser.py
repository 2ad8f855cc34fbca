"""Text to tree."""

from ftspec.core.finding import Finding
from ftspec.syntax.codes import MAXIMUM_DEPTH, MAXIMUM_FINDINGS
from ftspec.syntax.driver import Driver
from ftspec.syntax.header import check_header
from ftspec.syntax.lexer import tokenize
from ftspec.syntax.table import ParseTable, load_table
from ftspec.syntax.token import Token
from ftspec.syntax.tree import SpecTree


def parse(text: str) -> tuple[SpecTree | None, list[Finding]]:
    """The tree of a spec's text and what is wrong with it, in the order of the text.

    There is no tree where anything was left out or guessed at; a mistake whose meaning is plain (`:` for
    `=`) is reported and read as it was meant.
    """
    tree, findings = parse_partial(text)
    return (tree if tree and tree.complete else None), findings


def parse_partial(text: str) -> tuple[SpecTree | None, list[Finding]]:
    """As `parse`, but with the tree of whatever could be understood; see `SpecTree.complete`."""
    table = load_table()
    lexed = tokenize(text, table)
    header = check_header(lexed.tokens, bool(lexed.findings))
    findings = [header.finding, *lexed.findings] if header.finding else lexed.findings
    if not header.tokens:
        return None, findings[:1]
    if lexed.stopped:
        return None, findings[:2] if header.finding else findings
    tree = _strict(header.tokens, table)
    if tree:
        return tree._replace(complete=not lexed.guessed), findings
    tree, findings = _tolerant(header.tokens, table, findings, lexed.guessed)
    # A text without header that does not parse either is hardly a spec: what else is wrong is one example.
    return tree, findings[:2] if header.finding else findings


def _strict(tokens: list[Token], table: ParseTable) -> SpecTree | None:
    """The tree of a text without mistakes, else None."""
    driver, index = Driver(table), 0
    while not driver.accepted():
        token = tokens[index]
        action = driver.action(token.kind)
        if action is None:
            return None
        if action >= 0:
            driver.shift(token, action)
            index += 1
        elif driver.reduce(-1 - action) > MAXIMUM_DEPTH:
            return None
    tree: SpecTree = driver.values[-1]
    return tree


def _within(finding: Finding, other: Finding) -> bool:
    """Whether what a finding's fix replaces is replaced by another's already."""
    return bool(other.fix) and other.span[:2] <= finding.span[:2] and finding.span[2:4] <= other.span[2:4]


def _tolerant(
    tokens: list[Token], table: ParseTable, findings: list[Finding], guessed: bool
) -> tuple[SpecTree | None, list[Finding]]:
    """The tree of what a text with mistakes still says."""
    from ftspec.syntax.habits import mend
    from ftspec.syntax.recovery import Recovery

    mended, habits, unsure = mend(tokens)
    recovery = Recovery(table, mended, [each for each in findings if not any(_within(each, other) for other in habits)])
    recovery.findings += [finding for finding in habits if finding.span.line not in recovery.obscure]
    tree = recovery.run()
    found = sorted(recovery.findings, key=lambda finding: finding.span)[:MAXIMUM_FINDINGS]
    return tree and tree._replace(complete=tree.complete and not (guessed or unsure)), found
