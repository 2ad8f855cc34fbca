"""Did-you-mean: the known word that is nearest to a written one."""

from collections.abc import Iterable


def nearest(written: str, known: Iterable[str]) -> str | None:
    """The closest known word, or None where none is close. Case, dashes and underscores do not count."""
    import difflib

    by_folded = {_fold(word): word for word in known}
    match = difflib.get_close_matches(_fold(written), by_folded, n=1, cutoff=0.7)
    return by_folded[match[0]] if match else None


def _fold(word: str) -> str:
    return word.lower().replace("-", "_")
