"""What could stand at a place, and what does, in words."""

from ftspec.syntax.driver import Driver
from ftspec.syntax.table import END
from ftspec.syntax.token import Token, shortened

_WORDS = {
    "EQUAL": "`=`",
    "LBRACE": "`{`",
    "COMMA": "`,`",
    "RSQB": "`]`",
    "RPAR": "`)`",
    "RBRACE": "`}`",
    "STRING": 'a string in double quotes: `"…"`',
    "NUMBER": "a number",
    "NAME": "a name",
    "THEN": "`then`",
    "ELSE": "`else`",
}
_FOUND = {END: "the end of the text", "STRING": "a string"}


def acceptable(driver: Driver) -> set[str]:
    """The terminals that may come next."""
    # lark's names of terminals are in capitals, those of rules are not.
    return {kind for kind in driver.table.states[driver.states[-1]] if kind.isupper() and driver.accepts(kind)}


def expectation(kinds: set[str]) -> str:
    """The terminals that may stand at a place, in words."""
    if "NUMBER" in kinds and "STRING" in kinds and "TRUE" in kinds:
        closing = [_WORDS[kind] for kind in ("RSQB", "RPAR") if kind in kinds]
        return _one_of(["a value", *closing])
    if "NAME" in kinds and "STRING" in kinds:
        begins = "a statement" if "LET" in kinds else "a key"
        return _one_of([begins, *(["`}`"] if "RBRACE" in kinds else [])])
    words = [word for kind, word in _WORDS.items() if kind in kinds]
    return _one_of(words or ["the end of the text"])


def found(token: Token) -> str:
    """A token in words."""
    return _FOUND.get(token.kind) or f"`{shortened(token.text)}`"


def _one_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
