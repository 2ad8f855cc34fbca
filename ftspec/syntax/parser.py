"""Text to tree."""

from ftspec.core.finding import Finding
from ftspec.syntax.codes import MAXIMUM_DEPTH, UNEXPECTED, too_deep
from ftspec.syntax.driver import Driver
from ftspec.syntax.lexer import tokenize
from ftspec.syntax.table import load_table
from ftspec.syntax.tree import SpecTree


def parse(text: str) -> tuple[SpecTree | None, list[Finding]]:
    """The tree of a spec's text, with what is wrong with it; None where there is no tree to speak of."""
    table = load_table()
    tokens, findings = tokenize(text, table)
    if tokens is None:
        return None, findings
    driver, index = Driver(table), 0
    while not driver.accepted():
        token = tokens[index]
        action = driver.action(token.kind)
        if action is None:
            return None, [*findings, UNEXPECTED.finding(f"`{token.text}` is unexpected here", token.span)]
        if action >= 0:
            driver.shift(token, action)
            index += 1
        elif driver.reduce(-1 - action) > MAXIMUM_DEPTH:
            return None, [*findings, too_deep(token.span)]
    return driver.values[-1], findings
