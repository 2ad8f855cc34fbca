"""Text to tokens. What cannot be a token is reported and stood in for, never raised."""

from ftspec.core.finding import Finding
from ftspec.core.source import Span
from ftspec.syntax.bad_text import read_bad_text, unescape
from ftspec.syntax.codes import MAXIMUM_DEPTH, too_deep
from ftspec.syntax.table import END, ParseTable
from ftspec.syntax.token import Token

_BRACKETS = {"LBRACE": 1, "LSQB": 1, "LPAR": 1, "RBRACE": -1, "RSQB": -1, "RPAR": -1}


def tokenize(text: str, table: ParseTable) -> tuple[list[Token] | None, list[Finding]]:
    """The tokens of a text, the last of kind `END`; None where brackets nest beyond `MAXIMUM_DEPTH`."""
    tokens: list[Token] = []
    findings: list[Finding] = []
    line, line_start, position, depth = 1, 0, 0, 0
    match, ignored, keywords = table.lexer.match, table.ignored, table.keywords
    while position < len(text):
        start, column = position, position - line_start + 1
        found = match(text, position)
        if found is None:
            bad = read_bad_text(text, position, line, column)
            findings.append(bad.finding)
            position += bad.length
            if bad.kind:
                tokens.append(Token(bad.kind, bad.text, Span(line, column, line, column + bad.length)))
            continue
        position = found.end()
        kind, word = found.lastgroup or "", found.group()
        if kind in ignored:
            breaks = word.count("\n")
            if breaks:
                line += breaks
                line_start = start + word.rindex("\n") + 1
            continue
        span = Span(line, column, line, column + position - start)
        if kind == "NAME":
            kind = keywords.get(word, kind)
        elif kind == "STRING":
            word = unescape(word[1:-1], span, findings)
        elif kind in _BRACKETS:
            depth = max(0, depth + _BRACKETS[kind])
            if depth > MAXIMUM_DEPTH:
                return None, [too_deep(span)]
        tokens.append(Token(kind, word, span))
    column = len(text) - line_start + 1
    tokens.append(Token(END, "", Span(line, column, line, column)))
    return tokens, findings
