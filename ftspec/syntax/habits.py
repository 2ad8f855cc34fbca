"""Habits from elsewhere that tokens show: each is reported, and mended as it was meant.

Only a text that does not parse is looked at, so that nothing here can make sense of a correct text.
"""

from collections.abc import Callable
from typing import NamedTuple

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.core.rule import Rule
from ftspec.core.source import Span
from ftspec.core.units import UNITS
from ftspec.syntax.codes import FOREIGN_MARK, FOREIGN_QUOTES, MALFORMED_NUMBER, NO_VALUE, UNIT_APART
from ftspec.syntax.table import END
from ftspec.syntax.token import Token, shortened

_STATEMENTS = ("LET", "TARGET", "VARIANT", "ASSERT", "IMPORT")
_AFTER_VALUE = ("RBRACE", "COMMA", END, *_STATEMENTS)
_NOTHING = Token("", "", Span(0, 0, 0, 0))
_LOOK_AHEAD = 32
_NEVER_IN_TEXT = ("", END, "EQUAL", "COMMA", "COMPARATOR", "STRING", "LBRACE", "RBRACE", "LSQB", "RSQB", "LPAR", "RPAR")


class Mended(NamedTuple):
    """`length` tokens, replaced by others. `guess`: what was meant is not known."""

    length: int
    tokens: tuple[Token, ...]
    finding: Finding
    guess: bool = False


class _Place:
    """A place between tokens: the token before, and which bracket is open."""

    def __init__(self) -> None:
        self.before = _NOTHING
        self.open = [""]
        self.assertion = False

    def pass_by(self, token: Token) -> None:
        """Go on behind a token."""
        kind = token.kind
        if kind in ("LBRACE", "LSQB", "LPAR"):
            self.open.append(kind)
        elif kind in ("RBRACE", "RSQB", "RPAR"):
            if len(self.open) > 1:
                self.open.pop()
        elif kind == "ASSERT":
            self.assertion = True
        elif kind in ("COMMA", "EQUAL") and self.in_body():
            self.assertion = False
        self.before = token

    def in_body(self) -> bool:
        """Whether statements stand here, not the items of a list or call."""
        return self.open[-1] in ("", "LBRACE")


def mend(tokens: list[Token]) -> tuple[list[Token], list[Finding], bool]:
    """The tokens without the habits, what was found, and whether any of it is a guess."""
    mended: list[Token] = []
    findings: list[Finding] = []
    guessed = False
    place = _Place()
    index = 0
    while index < len(tokens):
        habit = _HABITS.get(tokens[index].kind)
        found = habit(tokens[index : index + _LOOK_AHEAD] + [_NOTHING] * 4, place) if habit else None
        if found:
            findings.append(found.finding)
            guessed = guessed or found.guess
        replacement = found.tokens if found else (tokens[index],)
        for token in replacement:
            place.pass_by(token)
        mended += replacement
        index += found.length if found else 1
    return mended, findings, guessed


def _joined(rule: Rule, message: str, text: str, window: list[Token], length: int) -> Mended:
    """So many tokens as one number."""
    span = window[0].span.to(window[length - 1].span)
    help = f"write `{shortened(text)}`"
    finding = rule.finding(message, span, help, Fix(help, (Edit(span, text),)))
    return Mended(length, (Token("NUMBER", text, span),), finding)


def _glued(first: Token, second: Token) -> bool:
    return first.span[2:4] == second.span[:2]


def _number(window: list[Token], place: _Place) -> Mended | None:
    return _unit_apart(window) or (_thousands(window) if place.in_body() else None)


def _unit_apart(window: list[Token]) -> Mended | None:
    """`80 GB`, `50 GB/s`."""
    number, unit, slash, second = window[:4]
    if not number.text[-1].isdigit() or unit.kind != "NAME" or unit.text not in UNITS:
        return None
    if number.span.end_line != unit.span.line or slash.kind in ("EQUAL", "LBRACE"):
        return None
    rate = slash.text == "/" and second.text == "s" and f"{unit.text}/s" in UNITS
    text = f"{number.text}{unit.text}/s" if rate else number.text + unit.text
    return _joined(UNIT_APART, "a unit is glued to its number", text, window, 4 if rate else 2)


def _thousands(window: list[Token]) -> Mended | None:
    """`4,096` and `1,000,000` outside of lists."""
    text, length = window[0].text, 1
    while length + 1 < _LOOK_AHEAD and window[length].kind == "COMMA" and window[length + 1].kind == "NUMBER":
        number = window[length + 1].text
        if not (_glued(window[length - 1], window[length]) and _glued(window[length], window[length + 1])):
            break
        if not number[:3].isdigit() or number[3:4].isdigit() or len(number) < 3:
            break
        text += number
        length += 2
    if length == 1:
        return None
    return _joined(MALFORMED_NUMBER, "numbers have no `,` between digits", text, window, length)


def _point(window: list[Token], place: _Place) -> Mended | None:
    """`.5`."""
    point, number = window[:2]
    if number.kind != "NUMBER" or not _glued(point, number) or place.before.kind == "NAME":
        return None
    if "." in number.text:
        span = point.span.to(number.span)
        message = f"`.{shortened(number.text)}` is not a number"
        finding = MALFORMED_NUMBER.finding(message, span, "write digits with one point, as in 0.95")
        return Mended(2, (Token("NUMBER", number.text, span, guess=True),), finding, guess=True)
    return _joined(MALFORMED_NUMBER, "a number begins with a digit", f"0.{number.text}", window, 2)


def _comma(window: list[Token], place: _Place) -> Mended | None:
    """A comma between statements or at the end of a block."""
    comma, after, then = window[:3]
    if not place.in_body() or (place.assertion and after.kind == "STRING"):
        return None
    statement = after.kind in ("NAME", "STRING") and then.kind in ("EQUAL", "LBRACE")
    if not statement and after.kind not in ("RBRACE", END, *_STATEMENTS):
        return None
    fix = Fix("remove the `,`", (Edit(comma.span, ""),))
    finding = FOREIGN_MARK.finding("no `,` stands between statements", comma.span, "remove the `,`", fix)
    return Mended(1, (), finding)


def _equal(window: list[Token], place: _Place) -> Mended | None:
    """`nodes =` and then the next statement, or the end. `nodes = gpus = 8` can only be that."""
    equal, after, then = window[:3]
    if place.before.kind not in ("NAME", "STRING"):
        return None
    next_statement = after.kind == "NAME" and then.kind == "EQUAL"
    if not next_statement and after.kind not in _AFTER_VALUE:
        return None
    span = place.before.span.to(equal.span)
    finding = NO_VALUE.finding(
        f"`{shortened(place.before.text)}` has no value", span, "write the value, or remove the key"
    )
    return Mended(1, (equal, Token("NUMBER", "", equal.span, guess=True)), finding, guess=True)


def _bare_text(window: list[Token], place: _Place) -> Mended | None:
    """`= ./config.json`, `= Qwen/Qwen2.5-7B`: what is glued together and cannot be an expression."""
    equal, first, length = window[0], window[1], 2
    while _glued(window[length - 1], window[length]) and window[length].kind not in _NEVER_IN_TEXT:
        length += 1
    run = window[1:length]
    kinds = [token.kind for token in run]
    path = first.text in (".", "/") and kinds[1:2] not in ([], ["NUMBER"])
    version = any(kinds[index : index + 3] == ["NAME", "DOT", "NUMBER"] for index in range(length))
    if not (path or version):
        return None
    text, span = "".join(token.text for token in run), first.span.to(run[-1].span)
    help = f'write `"{shortened(text)}"`'
    fix = Fix("put it in quotes", (Edit(span, f'"{text}"'),))
    finding = FOREIGN_QUOTES.finding("names with points and paths stand in double quotes", span, help, fix)
    return Mended(length, (equal, Token("STRING", text, span)), finding)


_HABITS: dict[str, Callable[[list[Token], _Place], Mended | None]] = {
    "NUMBER": _number,
    "DOT": _point,
    "COMMA": _comma,
    "EQUAL": lambda window, place: _equal(window, place) or _bare_text(window, place),
}
