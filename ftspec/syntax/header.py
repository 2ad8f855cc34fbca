"""The header `ft 1`: there, and of a version that is known."""

from typing import NamedTuple

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.core.source import START
from ftspec.syntax.codes import EMPTY, NO_HEADER, UNKNOWN_VERSION
from ftspec.syntax.table import END
from ftspec.syntax.token import Token, shortened

VERSION = "1"
_BEGINS_STATEMENT = ("NAME", "STRING", "LET", "TARGET", "VARIANT", "ASSERT", "IMPORT")


class Header(NamedTuple):
    """The tokens to parse, and what is wrong with the header. No tokens: the text is no spec of this version."""

    tokens: list[Token]
    finding: Finding | None


def check_header(tokens: list[Token], found: bool) -> Header:
    """Look at the first tokens of a text; a wrong header is taken off. `found`: something is wrong with the text."""
    first = tokens[0]
    if first.kind == END and found:
        return Header([], None)
    if first.kind == END:
        help = "begin with `ft 1`; `ftspec init` writes a first spec"
        return Header([], EMPTY.finding("there is nothing in this text", START, help))
    second = tokens[1]
    if first.kind == "FT":
        if second.kind != "NUMBER":
            finding = UNKNOWN_VERSION.finding("`ft` is not followed by a version", first.span, "write `ft 1`")
            return Header(tokens[1:], finding)
        if second.text != VERSION:
            message = f"version `{shortened(second.text)}` of the language is not known"
            return Header(
                [], UNKNOWN_VERSION.finding(message, second.span, f"this ftspec reads version 1: write `ft {VERSION}`")
            )
        return Header(tokens, None)
    if first.kind == "NAME" and first.text.lower() == "ft" and second.kind == "NUMBER":
        fix = Fix("write `ft`", (Edit(first.span, "ft"),))
        finding = NO_HEADER.finding("the header is written in small letters", first.span, "write `ft 1`", fix)
        return Header(tokens[2:], finding)
    if first.kind not in _BEGINS_STATEMENT:
        return Header([], NO_HEADER.finding("this text is not a spec", first.span, "a spec begins with `ft 1`"))
    fix = Fix("write `ft 1` at the top", (Edit(START, f"ft {VERSION}\n"),))
    return Header(
        tokens, NO_HEADER.finding("the text does not begin with `ft 1`", first.span, "write `ft 1` at the top", fix)
    )
