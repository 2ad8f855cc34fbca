"""Parsing on after a mistake: mend it where what is meant is plain, else go on at the next statement."""

from ftspec.core.finding import Edit, Finding, Fix, Related
from ftspec.core.source import Span
from ftspec.syntax.codes import (
    MAXIMUM_DEPTH,
    MAXIMUM_FINDINGS,
    NO_VALUE,
    NOT_CLOSED,
    NOT_OPENED,
    UNEXPECTED,
    WRONG_PLACE,
    too_deep,
)
from ftspec.syntax.driver import Driver
from ftspec.syntax.expected import acceptable, expectation, found
from ftspec.syntax.table import END, ParseTable
from ftspec.syntax.token import Token
from ftspec.syntax.tree import SpecTree

_CLOSING = {"LBRACE": ("RBRACE", "}"), "LSQB": ("RSQB", "]"), "LPAR": ("RPAR", ")")}
_OPENING = {closing: opening for opening, (closing, _) in _CLOSING.items()}
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
    """A parse that goes on after mistakes. Every mistake ends with tokens passed or a bracket closed, so it ends."""

    def __init__(self, table: ParseTable, tokens: list[Token]) -> None:
        self.driver = Driver(table)
        self.tokens = tokens
        self.index = 0
        self.findings: list[Finding] = []
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

    def _mistake(self, token: Token) -> None:
        kinds = acceptable(self.driver)
        if not (self._unbalanced(token, kinds) or self._missing_mark(token, kinds) or self._wrong_place(token, kinds)):
            self.findings.append(self._unexpected(token, kinds))
            self._go_on()

    def _unbalanced(self, token: Token, kinds: set[str]) -> bool:
        """A bracket that is not closed, or not opened."""
        opening = self._innermost()
        closes = token.kind in _OPENING
        if (
            opening
            and _CLOSING[opening.kind][0] in kinds
            and (token.kind == END or closes or self._new_line_out(opening, token))
        ):
            outer = closes and any(each.kind == _OPENING[token.kind] for each in self._open())
            if not closes or outer:
                self._close(opening)
                return True
        if closes and (opening is None or _OPENING[token.kind] != opening.kind):
            self.findings.append(
                NOT_OPENED.finding(f"nothing is open that `{token.text}` would close", token.span, "remove it")
            )
            del self.tokens[self.index]
            return True
        return False

    def _close(self, opening: Token) -> None:
        """Put the closing bracket where it is missed."""
        kind, mark = _CLOSING[opening.kind]
        span = self._behind()
        if not self.ended and not (self.tokens[self.index].kind == END and self._found_at_end()):
            self.findings.append(
                NOT_CLOSED.finding(
                    f"the `{opening.text}` of line {opening.span.line} is not closed",
                    span,
                    f"write `{mark}` here, or where it belongs",
                    related=(Related("it is opened here", opening.span),),
                )
            )
        self.ended = self.tokens[self.index].kind == END
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
        elif token.kind == "EQUAL" and "COMPARATOR" in kinds and "EQUAL" not in kinds:
            self._mend("values are compared with `==`", token.span, "==", Token("COMPARATOR", "==", token.span), 1)
        elif "EQUAL" in kinds and same_line and token.kind in _VALUES:
            span = self._behind()
            self._mend(
                f"`=` is missing between `{before.text}` and its value", span, " =", Token("EQUAL", "=", span), 0
            )
        elif "COMMA" in kinds and {"RSQB", "RPAR"} & kinds and token.kind in _VALUES and not self._begins_statement():
            span = self._behind()
            self._mend("`,` is missing between the items", span, ",", Token("COMMA", ",", span), 0)
        else:
            return False
        return True

    def _mend(self, message: str, span: Span, text: str, token: Token, length: int) -> None:
        fix = Fix(f"write `{text.strip()}`", (Edit(span, text),))
        self.findings.append(UNEXPECTED.finding(message, span, f"write `{text.strip()}`", fix))
        self.tokens[self.index : self.index + length] = [token]

    def _wrong_place(self, token: Token, kinds: set[str]) -> bool:
        if token.kind not in _STATEMENTS or "RBRACE" not in kinds or "NAME" not in kinds:
            return False
        self.findings.append(
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
            message = f"`{before.text}` has no value"
            return NO_VALUE.finding(message, before.span, f"write `{before.text} = …` or `{before.text} {{ … }}`")
        if token.kind == "COMPARATOR" and "AND" in kinds:
            return UNEXPECTED.finding("comparisons do not chain", token.span, "write `a < b and b < c`")
        after = f" after {found(before)}" if before else ""
        return UNEXPECTED.finding(
            f"{found(token)} cannot stand here", token.span, f"expected {expectation(kinds)}{after}"
        )

    def _go_on(self) -> None:
        """Drop what is half read and pass over tokens to the next statement."""
        self.complete = False
        self.driver.unwind()
        depth = 0
        while self.tokens[self.index].kind != END:
            kind = self.tokens[self.index].kind
            if depth == 0 and (kind == "RBRACE" or self._begins_statement()):
                return
            if kind in _CLOSING:
                depth += 1
            elif kind in _OPENING:
                depth = max(0, depth - 1)
            self.index += 1

    def _begins_statement(self) -> bool:
        token, after = self.tokens[self.index], self.tokens[self.index + 1 : self.index + 2]
        if token.kind in _STATEMENTS:
            return True
        if token.kind not in ("NAME", "STRING") or not after:
            return False
        before = self.before
        if after[0].kind == "EQUAL":
            return True
        return after[0].kind == "LBRACE" and (before is None or before.kind not in _WANTS_VALUE)

    def _open(self) -> list[Token]:
        """The opening brackets that are not closed, outermost first."""
        values = self.driver.values
        return [value for value in values if isinstance(value, Token) and value.kind in _CLOSING]

    def _innermost(self) -> Token | None:
        return next(iter(reversed(self._open())), None)

    def _new_line_out(self, opening: Token, token: Token) -> bool:
        """Whether a statement begins a line, at or left of where the line of an opening bracket begins."""
        before = self.before
        if token.kind not in _STATEMENTS or before is None or before.span.end_line == token.span.line:
            return False
        return opening.span.line < token.span.line and token.span.column <= self._indentation(opening.span.line)

    def _indentation(self, line: int) -> int:
        """The column of a line's first token."""
        return min(token.span.column for token in self.tokens if token.span.line == line)

    def _found_at_end(self) -> bool:
        """Whether the last finding speaks of the end of the text already."""
        return bool(self.findings) and self.findings[-1].span[2:4] >= self._behind()[2:4]

    def _behind(self) -> Span:
        """The empty place behind the last token."""
        before = self.before
        line, column = (before.span.end_line, before.span.end_column) if before else (1, 1)
        return Span(line, column, line, column)
