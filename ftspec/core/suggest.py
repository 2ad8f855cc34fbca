"""Did-you-mean: the known word that is nearest to a written one."""

from collections.abc import Iterable
from itertools import islice

MOST_EXPLAINED = 100
"""After so many findings nobody reads what else was meant, and looking for it takes long."""

_MOST_KNOWN = 1000


def nearest(written: str, known: Iterable[str]) -> str | None:
    """The closest of the first thousand known words, or None where none is close.

    Case, dashes and underscores do not count.
    """
    import difflib

    by_folded = {_fold(word): word for word in islice(known, _MOST_KNOWN)}
    match = difflib.get_close_matches(_fold(written), by_folded, n=1, cutoff=0.7)
    return by_folded[match[0]] if match else None


def _fold(word: str) -> str:
    return word.lower().replace("-", "_")
