"""Text to tokens. What cannot be a token is reported and stood in for, never raised."""

from typing import NamedTuple

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.core.source import START, Span
from ftspec.syntax.bad_text import BadText, read_bad_text
from ftspec.syntax.codes import FOREIGN_BOOLEAN, MAXIMUM_DEPTH, MAXIMUM_FINDINGS, too_deep
from ftspec.syntax.escapes import unescape
from ftspec.syntax.table import END, ParseTable
from ftspec.syntax.token import Token

_BRACKETS = {"LBRACE": 1, "LSQB": 1, "LPAR": 1, "RBRACE": -1, "RSQB": -1, "RPAR": -1}
_FOREIGN_WORDS = {"True": "true", "False": "false", "TRUE": "true", "FALSE": "false"}


class Tokens(NamedTuple):
    """The tokens of a text, the last of kind `END`, and what is wrong with them.

    `guessed` says that some stand for text that nobody can understand, `stopped` that the text is not
    read to its end.
    """

    tokens: list[Token]
    findings: list[Finding]
    guessed: bool
    stopped: bool


def tokenize(text: str, table: ParseTable) -> Tokens:
    """The tokens of a text. Reading stops at nesting beyond `MAXIMUM_DEPTH` and after `MAXIMUM_FINDINGS`."""
    tokens: list[Token] = []
    findings: list[Finding] = []
    guessed = stopped = False
    line, line_start, position, depth = 1, 0, 0, 0
    match, ignored, keywords = table.lexer.match, table.ignored, table.keywords
    while position < len(text) and not stopped:
        start, column = position, position - line_start + 1
        found = match(text, position)
        if found is None:
            bad = read_bad_text(text, position, line, column)
            position += bad.length
            guessed = guessed or bad.guess
            findings.append(bad.finding)
            _stand_in(bad, Span(line, column, line, column + bad.length), tokens)
            stopped = bad.stop or len(findings) >= MAXIMUM_FINDINGS
            continue
        position = found.end()
        kind, word = found.lastgroup or "", found.group()
        if kind in ignored:
            breaks = word.count("\n")
            if breaks:
                line += breaks
                line_start = start + word.rindex("\n") + 1
            continue
        token = Token(kind, word, Span(line, column, line, column + position - start))
        if kind in _BRACKETS:
            depth = max(0, depth + _BRACKETS[kind])
            if depth > MAXIMUM_DEPTH:
                findings.append(too_deep(token.span))
                stopped = True
        elif kind == "NAME":
            token = _word(token, keywords, findings)
        elif kind == "STRING":
            token = _string(token, findings)
            guessed = guessed or token.guess
        tokens.append(token)
    tokens.append(_end(tokens))
    return Tokens(tokens, findings[:MAXIMUM_FINDINGS], guessed, stopped)


def _end(tokens: list[Token]) -> Token:
    """The end of the text: just behind the last token, for nobody looks for a mistake in empty lines."""
    last = tokens[-1].span if tokens else START
    return Token(END, "", Span(last.end_line, last.end_column, last.end_line, last.end_column))


def _stand_in(bad: BadText, span: Span, tokens: list[Token]) -> None:
    """Add the token that stands for bad text; the rest of a word joins its beginning."""
    last = tokens[-1] if tokens else None
    if bad.kind == "NAME" and last and last.kind == "NAME" and last.span[2:4] == span[:2]:
        tokens[-1] = Token("NAME", last.text + bad.text, last.span.to(span), bad.guess)
    elif bad.kind:
        tokens.append(Token(bad.kind, bad.text, span, bad.guess))


def _word(token: Token, keywords: dict[str, str], findings: list[Finding]) -> Token:
    """A name, or the keyword that it is."""
    kind = keywords.get(token.text)
    if kind:
        return Token(kind, token.text, token.span)
    meant = _FOREIGN_WORDS.get(token.text)
    if meant is None:
        return token
    fix = Fix(f"write `{meant}`", (Edit(token.span, meant),))
    message = f"the truth values are `true` and `false`, not `{token.text}`"
    findings.append(FOREIGN_BOOLEAN.finding(message, token.span, f"write `{meant}`", fix))
    return Token(keywords[meant], meant, token.span)


def _string(token: Token, findings: list[Finding]) -> Token:
    """A string with its value for text; what one with an unknown escape means is not known."""
    value, finding = unescape(token.text[1:-1], token.span)
    if finding:
        findings.append(finding)
    return Token(token.kind, value, token.span, finding is not None)
