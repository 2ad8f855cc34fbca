"""Parsing on after a mistake: mend it where what is meant is plain, else go on at the next statement."""

from ftspec.core.finding import Edit, Finding, Fix, Related
from ftspec.core.source import Span
from ftspec.syntax.brackets import CLOSING, OPENING, indentations, suspect
from ftspec.syntax.codes import (
    MAXIMUM_DEPTH,
    MAXIMUM_FINDINGS,
    NO_VALUE,
    NOT_CLOSED,
    NOT_OPENED,
    STRING_NOT_CLOSED,
    UNEXPECTED,
    WRONG_PLACE,
    too_deep,
)
from ftspec.syntax.driver import Driver
from ftspec.syntax.expected import acceptable, expectation, found
from ftspec.syntax.table import END, ParseTable
from ftspec.syntax.token import Token, shortened
from ftspec.syntax.tree import SpecTree

_STATEMENTS = ("IMPORT", "LET", "TARGET", "VARIANT", "ASSERT")
_VALUES = ("NUMBER", "STRING", "NAME", "TRUE", "FALSE", "LSQB", "LPAR", "MINUS", "NOT", "IF")
_WANTS_VALUE = (
    "EQUAL",
    "COMMA",
    "PLUS",
    "MINUS",
    "PRODUCT_OPERATOR",
    "COMPARATOR",
    "AND",
    "OR",
    "NOT",
    "IF",
    "THEN",
    "ELSE",
)


class Recovery:
    """A parse that goes on after mistakes. Every mistake ends with tokens passed or a bracket closed, so it ends.

    A line with an open string is not understood from there on: what else seems wrong because of it is
    left unsaid, and so is the balance of brackets, of which the string may have swallowed some.
    """

    def __init__(self, table: ParseTable, tokens: list[Token], findings: list[Finding]) -> None:
        """`findings` is what is known of the text already; more is added to it."""
        self.driver = Driver(table)
        self.tokens = tokens
        self.index = 0
        self.findings = findings
        self.obscure = {finding.span.line for finding in findings if finding.code == STRING_NOT_CLOSED.code}
        self.complete = True
        self.ended = False

    def run(self) -> SpecTree | None:
        """The tree of what can be understood; None where the mistakes are too many or too deep."""
        driver = self.driver
        while not driver.accepted():
            token = self.tokens[self.index]
            action = driver.action(token.kind)
            if action is None:
                if len(self.findings) >= MAXIMUM_FINDINGS:
                    return None
                self._mistake(token)
            elif action >= 0:
                driver.shift(token, action)
                self.index += 1
            elif driver.reduce(-1 - action) > MAXIMUM_DEPTH:
                self.findings.append(too_deep(token.span))
                return None
        tree: SpecTree = driver.values[-1]
        return tree._replace(complete=self.complete)

    @property
    def before(self) -> Token | None:
        """The token before the mistake."""
        return self.tokens[self.index - 1] if self.index else None

    def _report(self, finding: Finding) -> None:
        before = self.before
        lines = {finding.span.line, before.span.line if before else 0}
        if not (self.obscure & lines or (self.obscure and finding.code in (NOT_CLOSED.code, NOT_OPENED.code))):
            self.findings.append(finding)

    def _mistake(self, token: Token) -> None:
        kinds = acceptable(self.driver)
        if not (self._unbalanced(token, kinds) or self._missing_mark(token, kinds) or self._wrong_place(token, kinds)):
            self._report(self._unexpected(token, kinds))
            self._go_on()

    def _unbalanced(self, token: Token, kinds: set[str]) -> bool:
        """A bracket that is not closed, or not opened."""
        opening = self._innermost()
        closes = token.kind in OPENING
        if (
            opening
            and CLOSING[opening.kind][0] in kinds
            and (token.kind == END or closes or self._ends_before(opening, token))
        ):
            outer = closes and any(each.kind == OPENING[token.kind] for each in self._open())
            if not closes or outer:
                self._close(opening)
                return True
        if closes and (opening is None or OPENING[token.kind] != opening.kind):
            self._report(
                NOT_OPENED.finding(f"nothing is open that `{token.text}` would close", token.span, "remove it")
            )
            del self.tokens[self.index]
            return True
        return False

    def _close(self, opening: Token) -> None:
        """Put the closing bracket where it is missed."""
        kind, mark = CLOSING[opening.kind]
        span = self._behind()
        at_end = self.tokens[self.index].kind == END
        if not (at_end and (self.ended or self._found_at_end())):
            forgotten = suspect(self.tokens) if at_end and kind == "RBRACE" else None
            self._report(_not_closed(forgotten or opening, span))
        self.ended = at_end
        self.complete = False
        self.tokens.insert(self.index, Token(kind, mark, span))

    def _missing_mark(self, token: Token, kinds: set[str]) -> bool:
        """A `=` or `,` left out, or `=` and `==` confused."""
        before = self.before
        if before is None:
            return False
        same_line = before.span.end_line == token.span.line
        if token.text == "==" and "EQUAL" in kinds:
            self._mend("a value is given with `=`", token.span, "=", Token("EQUAL", "=", token.span), 1)
        elif token.kind == "EQUAL" and "COMPARATOR" in kinds and self._two_before() != "EQUAL":
            self._mend("values are compared with `==`", token.span, "==", Token("COMPARATOR", "==", token.span), 1)
        elif token.kind == "NAME" and kinds == {"STRING"} and self._after() != "DOT":
            text = f'"{token.text}"'
            self._mend(
                f"what follows {found(before)} stands in double quotes",
                token.span,
                text,
                Token("STRING", token.text, token.span),
                1,
            )
        elif token.kind == "STRING" and kinds == {"NAME"} and token.text.isidentifier():
            name = Token("NAME", token.text, token.span)
            self._mend(f"a name stands without quotes after {found(before)}", token.span, token.text, name, 1)
        elif "EQUAL" in kinds and same_line and token.kind in _VALUES and self._after() != "EQUAL":
            span = self._behind()
            self._mend(
                f"`=` is missing between {found(before)} and its value", span, " =", Token("EQUAL", "=", span), 0
            )
        elif "COMMA" in kinds and {"RSQB", "RPAR"} & kinds and token.kind in _VALUES and not self._begins_statement():
            span = self._behind()
            self._mend("`,` is missing between the items", span, ",", Token("COMMA", ",", span), 0)
        else:
            return False
        return True

    def _mend(self, message: str, span: Span, text: str, token: Token, length: int) -> None:
        fix = Fix(f"write `{text.strip()}`", (Edit(span, text),))
        self._report(UNEXPECTED.finding(message, span, f"write `{text.strip()}`", fix))
        self.tokens[self.index : self.index + length] = [token]

    def _wrong_place(self, token: Token, kinds: set[str]) -> bool:
        if token.kind not in _STATEMENTS or "RBRACE" not in kinds or "NAME" not in kinds:
            return False
        self._report(
            WRONG_PLACE.finding(
                f"`{token.text}` cannot stand in a block",
                token.span,
                "put it at the top of the file, or close the block first",
            )
        )
        self.index = min(self.index + 2, len(self.tokens) - 1)
        self._go_on()
        return True

    def _unexpected(self, token: Token, kinds: set[str]) -> Finding:
        before = self.before
        if kinds >= {"EQUAL", "LBRACE"} and before:
            key = shortened(before.text)
            if token.kind == "DOT":
                message = "a key has no dots"
                return UNEXPECTED.finding(message, token.span, f"write a block: `{key} {{ … }}`")
            return NO_VALUE.finding(f"`{key}` has no value", before.span, f"write `{key} = …` or `{key} {{ … }}`")
        if token.kind == "COMPARATOR" and "AND" in kinds:
            return UNEXPECTED.finding("comparisons do not chain", token.span, "write `a < b and b < c`")
        expected = f"expected {expectation(kinds)}{f' after {found(before)}' if before else ''}"
        if token.kind == END:
            return UNEXPECTED.finding("the text ends in the middle of a statement", token.span, expected)
        return UNEXPECTED.finding(f"{found(token)} cannot stand here", token.span, expected)

    def _go_on(self) -> None:
        """Drop what is half read and pass over tokens to the next statement."""
        self.complete = False
        self.driver.unwind()
        depth = 0
        while self.tokens[self.index].kind != END:
            kind = self.tokens[self.index].kind
            if depth == 0 and (kind == "RBRACE" or self._begins_statement()):
                return
            if kind in CLOSING:
                depth += 1
            elif kind in OPENING:
                depth = max(0, depth - 1)
            self.index += 1

    def _begins_statement(self) -> bool:
        kind, before = self.tokens[self.index].kind, self.before
        if kind in _STATEMENTS:
            return True
        if kind not in ("NAME", "STRING"):
            return False
        wants_value = before is not None and before.kind in (*_WANTS_VALUE, *_STATEMENTS)
        return self._after() == "EQUAL" or (self._after() == "LBRACE" and not wants_value)

    def _two_before(self) -> str:
        """The kind of the token before the last."""
        return self.tokens[self.index - 2].kind if self.index >= 2 else ""

    def _after(self) -> str:
        """The kind of the token after the one that is looked at."""
        return self.tokens[min(self.index + 1, len(self.tokens) - 1)].kind

    def _open(self) -> list[Token]:
        """The opening brackets that are not closed, outermost first."""
        values = self.driver.values
        return [value for value in values if isinstance(value, Token) and value.kind in CLOSING]

    def _innermost(self) -> Token | None:
        return next(iter(reversed(self._open())), None)

    def _ends_before(self, opening: Token, token: Token) -> bool:
        """Whether a bracket must have ended before a token.

        That is a statement in a list, or one at the begin of a line, at or left of where the line of `{` begins.
        """
        if opening.kind != "LBRACE":
            return self._begins_statement()
        before = self.before
        if token.kind not in _STATEMENTS or before is None or before.span.end_line == token.span.line:
            return False
        return opening.span.line < token.span.line and token.span.column <= indentations(self.tokens)[opening.span.line]

    def _found_at_end(self) -> bool:
        """Whether a finding speaks of the end of the text already."""
        return any(finding.span[2:4] >= self._behind()[2:4] for finding in self.findings)

    def _behind(self) -> Span:
        """The empty place behind the last token."""
        before = self.before
        line, column = (before.span.end_line, before.span.end_column) if before else (1, 1)
        return Span(line, column, line, column)


def _not_closed(opening: Token, span: Span) -> Finding:
    mark = CLOSING[opening.kind][1]
    return NOT_CLOSED.finding(
        f"the `{opening.text}` of line {opening.span.line} is not closed",
        span,
        f"write `{mark}` here, or where it belongs",
        related=(Related("it is opened here", opening.span),),
    )
