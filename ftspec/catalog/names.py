"""How a name finds its row: ids without regard to case, and short names where only one row can be meant.

The rules are computed from the ids alone, so that a new row needs no list of aliases. They are tried in
order; the first that fits any row decides, and if it fits several the name is ambiguous.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

_ENDINGS = ("-hf", "-v0.1")
_BOUNDARY = "-_."
_LISTED = 6
_ALIKE, _ALIKE_WORDS = 0.6, 0.7
NOTHING_MORE: Mapping[str, str] = {}


class NoMatch(NamedTuple):
    """A name that means no single row: the rows it could mean, or else the nearest ids (best first)."""

    ambiguous: tuple[str, ...]
    suggestions: tuple[str, ...]

    @property
    def reason(self) -> str:
        """What to add to "no … in the catalog", where there is more to say."""
        return f": {len(self.ambiguous)} rows could be meant" if self.ambiguous else ""

    def help(self, otherwise: str) -> str:
        """What to write instead, with at most six ids; `otherwise` is said where no id is near."""
        if self.ambiguous:
            rest = len(self.ambiguous) - _LISTED
            more = f" or {rest} more" if rest > 0 else ""
            return "write one of " + ", ".join(self.ambiguous[:_LISTED]) + more
        if self.suggestions:
            return "did you mean " + ", ".join(self.suggestions) + f"? Else: {otherwise}"
        return otherwise


def plain_name(name: str) -> str:
    """A model's name without case, a leading `meta-` and the endings `-hf` and `-v0.1`; the organisation stays."""
    organisation, slash, own = name.lower().rpartition("/")
    own = own.removeprefix("meta-")
    for ending in _ENDINGS:
        own = own.removesuffix(ending)
    return organisation + slash + own


def _begins(identifier: str, name: str) -> bool:
    return identifier.startswith(name) and identifier[len(name) : len(name) + 1] in _BOUNDARY


def find_model_id(name: str, identifiers: Sequence[str]) -> str | NoMatch:
    """The model id that a name means.

    In order: the id itself; the last part of an id, without its organisation; the same without `meta-`, `-hf`
    and `-v0.1`; the beginning of an id up to a hyphen, full stop or underscore. A name with an organisation
    is held to it.
    """
    wanted, plain, own = name.lower(), plain_name(name), "/" in name
    lower = {identifier: identifier.lower() for identifier in identifiers}

    def ending(text: str) -> str:
        return text if own else text.rpartition("/")[2]

    rules: tuple[Callable[[str], bool], ...] = (
        lambda each: lower[each] == wanted,
        lambda each: ending(lower[each]) == wanted,
        lambda each: ending(plain_name(each)) == plain,
        lambda each: _begins(ending(plain_name(each)), plain),
    )
    for rule in rules:
        fitting = [identifier for identifier in identifiers if rule(identifier)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else NoMatch(tuple(fitting), ())
    return NoMatch((), nearest(name, identifiers))


def _parts(name: str) -> list[str]:
    return [part for part in name.lower().replace("_", "-").replace(" ", "-").split("-") if part]


def _same(token: str, part: str) -> bool:
    return token == part


def _same_without_digits(token: str, part: str) -> bool:
    return token == part or (token.isalpha() and part.startswith(token) and part[len(token) :].isdigit())


def _in_order(name: str, identifier: str, same: Callable[[str, str], bool]) -> bool:
    """Whether the parts of `name` are parts of `identifier`, in order (`a100-80gb` of `A100-SXM4-80GB`)."""
    parts, tokens = iter(_parts(identifier)), _parts(name)
    return bool(tokens) and all(any(same(token, part) for part in parts) for token in tokens)


def find_part_id(
    name: str, identifiers: Sequence[str], preferred: str = "", described: Mapping[str, str] = NOTHING_MORE
) -> str | NoMatch:
    """The hardware id that a name means.

    In order: the id itself; an id that has all parts of the name in their order; the same where a part that is
    a word may lack the digits behind it (`sxm` for `SXM5`). Of several ids that fit, the one with `preferred`
    in it is meant if there is only one such.
    """
    wanted = name.lower()
    for identifier in identifiers:
        if identifier.lower() == wanted:
            return identifier
    for same in (_same, _same_without_digits):
        fitting = [identifier for identifier in identifiers if _in_order(name, identifier, same)]
        favoured = [identifier for identifier in fitting if preferred and preferred in identifier]
        if len(fitting) == 1 or len(favoured) == 1:
            return (favoured or fitting)[0]
        if fitting:
            return NoMatch(tuple(fitting), ())
    return NoMatch((), nearest(name, identifiers, described))


def nearest(
    name: str, identifiers: Iterable[str], described: Mapping[str, str] = NOTHING_MORE, count: int = 3
) -> tuple[str, ...]:
    """The ids most like a name, best first.

    In order: those that have all words of the name, in whatever order (`h100 80gb sxm5`); those that begin as it
    does, or it as they; those with like words, or that look alike as a whole. `described` has further words
    that a row goes by, such as its vendor or its rate.
    """
    wanted, words = _squashed(name.rpartition("/")[2]), _parts(name.rpartition("/")[2])

    def likeness(identifier: str) -> float:
        own = identifier.rpartition("/")[2]
        whole = _ratio(wanted, _squashed(own))
        known = _parts(f"{own} {described.get(identifier, '')}")
        alike = sum(max(_alike(word, each) for each in known) for word in words) / len(words)
        if alike == 1:
            return 2 + whole
        if _squashed(own).startswith(wanted) or wanted.startswith(_squashed(own)):
            return 1 + min(len(own), len(wanted)) / max(len(own), len(wanted))
        return (alike + whole) / 2 if max(alike, whole) >= _ALIKE else 0.0

    if not wanted:
        return ()
    scored = sorted((-likeness(identifier), identifier) for identifier in identifiers)
    return tuple(identifier for score, identifier in scored[:count] if score < 0)


def _squashed(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _ratio(first: str, second: str) -> float:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, first, second).ratio()


def _alike(word: str, other: str) -> float:
    """1 for the same word, 0 for words that have little in common. A number is the same or another."""
    if word == other or word.isdigit() or abs(len(word) - len(other)) > 1:
        return float(word == other)
    ratio = _ratio(word, other)
    return ratio if ratio > _ALIKE_WORDS else 0.0
