"""`explain memory.TERM`: what a term is, its formula, the functions that work it out, and their sources."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ftspec.memory.terms import Term, Work, facts_of, symbols, terms, work_of
from ftspec.plan.model import Plan

_WIDTH = 100
_LETTER = re.compile(r"(?<![\w'])([A-Za-z])(?![\w'])")


def term_list() -> str:
    """Every term, a line each."""
    return "\n".join(f"memory.{name:<22} {term.meaning}" for name, term in terms().items())


def letters_of(term: Term) -> dict[str, str]:
    """The letters of a term's formula that stand for plan values, in the formula's order."""
    known = symbols()
    found = dict.fromkeys(letter for line in term.formula for letter in _LETTER.findall(line))
    return {letter: known[letter] for letter in found if letter in known}


def formula_text(term: Term) -> str:
    """What the term is, and its formula."""
    return "\n".join([f"memory.{term.name}: {term.meaning}", *_formula(term)])


def source_text(term: Term, plans: Sequence[Plan] = ()) -> str:
    """The functions that work it out, of plans those that do so for one of them. What they do and where that is known
    from are their own docstrings.
    """
    work = dict.fromkeys(each for plan in plans or (None,) for each in work_of(term, plan))
    return "\n".join([*_work(work), *_facts(term)])


def _formula(term: Term) -> Iterator[str]:
    yield "\nFormula:"
    for line in term.formula:
        yield from _wrapped(line, "    ", "      ")
    letters = ", ".join(f"{letter} = {path}" for letter, path in letters_of(term).items())
    if letters:
        yield from _wrapped(f"with {letters}", "    ", "      ")


def _work(work: Iterable[Work]) -> Iterator[str]:
    yield "\nWorked out by:"
    for each in work:
        yield f"    {each.name} ({each.file})"
        for paragraph in each.doc.split("\n\n"):
            yield from _wrapped(" ".join(paragraph.split()), " " * 8, " " * 8)


def _facts(term: Term) -> Iterator[str]:
    facts = facts_of(term)
    if facts:
        yield "\nNumbers about frameworks:"
    for fact in facts:
        yield from _wrapped(f"{fact.name} = {fact.value:,}: {fact.source}", "    ", "      ")


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
