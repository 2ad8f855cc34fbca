"""Values that their field does not take: what to say about each. All return FAILED."""

from typing import Any

from ftspec.core.suggest import MOST_EXPLAINED, nearest
from ftspec.core.units import Dimension
from ftspec.spec.evaluation_codes import UNKNOWN_NAME
from ftspec.spec.site import Site, Slot
from ftspec.spec.typed_codes import (
    AUTO_NOT_ALLOWED,
    BLOCK_OR_VALUE,
    MISSING_KIND,
    NOT_WHOLE,
    OUT_OF_RANGE,
    QUOTES,
    UNKNOWN_WORD,
    WRONG_TYPE,
    WRONG_UNIT,
)
from ftspec.spec.values import DIMENSION_NAMES, Word, quantity_text, shortened, shown
from ftspec.spec.wording import EXAMPLES, block_words, expected, limits, listed

_TRUTH_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def wrong_type(site: Site, slot: Slot, value: Any) -> Any:
    """A value that no type of the field fits."""
    accepts, name = slot.accepts, slot.name
    if accepts.blocks and not (accepts.words or accepts.string or block_words(accepts)):
        message = f"`{name}` is a block, and this is {shown(value)}"
        return site.report(BLOCK_OR_VALUE, slot.path, message, f"write `{name} {{ … }}`")
    wanted = expected(accepts)
    return site.report(WRONG_TYPE, slot.path, f"`{name}` takes {wanted}, and this is {shown(value)}", f"write {wanted}")


def auto_not_allowed(site: Site, slot: Slot) -> Any:
    """`auto` where nothing could fill it."""
    message = f"`{slot.name}` cannot be `auto`: nothing could fill it"
    return site.report(AUTO_NOT_ALLOWED, slot.path, message, f"write {expected(slot.accepts)}, or leave it out")


def not_a_block(site: Site, slot: Slot, value: dict[str, Any]) -> Any:
    """A block, tagged or not, for a field that takes none."""
    name, tag = slot.name, value.get("kind")
    tagged = isinstance(tag, Word) and f"{slot.path}.kind" not in site.places
    if tagged and tag in slot.accepts.words:
        message = f"the word `{tag}` takes no settings here"
        return site.report(BLOCK_OR_VALUE, slot.path, message, f"write `{name} = {tag}`")
    help = f"write `{name} = …`: {expected(slot.accepts)}"
    return site.report(BLOCK_OR_VALUE, slot.path, f"`{name}` is a value, not a block", help, key=not tagged)


def missing_kind(site: Site, slot: Slot, value: dict[str, Any]) -> Any:
    """`method = { rank = 16 }`."""
    from ftspec.spec.unknown import usual_word

    words = block_words(slot.accepts)
    usual = usual_word(slot.accepts, slot.path, (key for key in value if key != "kind"))
    message = f"`{slot.name}` does not say which of {listed(words)} it is"
    help = f"write one of the words before `{{`, such as `{slot.name} = {usual} {{ … }}`"
    return site.report(MISSING_KIND, slot.path, message, help)


def unknown_word(site: Site, slot: Slot, word: str) -> Any:
    """A word, bare or in quotes, that is none of the field's."""
    from ftspec.spec.unknown import meant_word

    words = [*(str(each) for each in slot.accepts.words), *block_words(slot.accepts)]
    meant = meant_word(word, words)
    help = f"did you mean `{meant}`?" if meant else f"write {listed(words)}"
    written = word if isinstance(word, Word) else f'"{word}"'
    fix = site.replacement(slot.path, written, meant) if meant else None
    message = f"`{slot.name}` has no `{shortened(word)}`: it is {listed(words)}"
    return site.report(UNKNOWN_WORD, slot.path, message, help, fix=fix)


def wrong_word(site: Site, slot: Slot, word: Word) -> Any:
    """A bare word that the field does not have."""
    accepts, name, path = slot.accepts, slot.name, slot.path
    if accepts.words or block_words(accepts):
        return unknown_word(site, slot, word)
    if accepts.string:
        fix = site.replacement(path, word, f'"{word}"')
        message = f"`{name}` takes a string, and a bare word is none"
        return site.report(QUOTES, path, message, f'write `"{word}"` in quotes', fix=fix)
    right = _TRUTH_WORDS.get(word.lower(), word.lower())
    if accepts.boolean and right in ("true", "false"):
        fix = site.replacement(path, word, right)
        return site.report(UNKNOWN_WORD, path, f"`{name}` is `true` or `false`", f"write `{right}`", fix=fix)
    if accepts.integer or accepts.real:
        meant = nearest(word, word.known) if len(site.findings) < MOST_EXPLAINED else None
        help = f"did you mean `{meant}`?" if meant else f"write {expected(accepts)}, or define `let {word} = …`"
        message = f"`{name}` takes {expected(accepts)}, and there is no `let` named `{word}`"
        return site.report(UNKNOWN_NAME, path, message, help)
    return wrong_type(site, slot, word)


def wrong_string(site: Site, slot: Slot, value: str) -> Any:
    """A string in quotes for a field that takes none."""
    accepts, name, path = slot.accepts, slot.name, slot.path
    if value in accepts.words or value in block_words(accepts):
        fix = site.replacement(path, f'"{value}"', value)
        message = f"`{name}` takes a bare word, not a string"
        return site.report(QUOTES, path, message, f"write `{value}` without quotes", fix=fix)
    if accepts.items is not None and accepts.items.string:
        fix = site.replacement(path, f'"{value}"', f'["{value}"]')
        message = f"`{name}` takes {expected(accepts)}, and this is one string"
        return site.report(WRONG_TYPE, path, message, f'write `["{shortened(value)}"]`', fix=fix)
    if accepts.words or block_words(accepts):
        return unknown_word(site, slot, value)
    return wrong_type(site, slot, value)


def wrong_unit(site: Site, slot: Slot, amount: int | float, dimension: Dimension) -> Any:
    """A number of another dimension than the field's."""
    wanted, text = slot.accepts.number.dimension, quantity_text(amount, dimension)
    help = f"write it like `{EXAMPLES[wanted]}`"
    if dimension is Dimension.NUMBER:
        message = f"`{slot.name}` is {DIMENSION_NAMES[wanted]} and needs a unit; {text} has none"
        return site.report(WRONG_UNIT, slot.path, message, help)
    message = f"`{slot.name}` is {DIMENSION_NAMES[wanted]}, and `{text}` is {DIMENSION_NAMES[dimension]}"
    if dimension is Dimension.BYTES and wanted is Dimension.BYTES_PER_SECOND:
        help = f"write `{text}/s`"
    return site.report(WRONG_UNIT, slot.path, message, help)


def not_whole(site: Site, slot: Slot, amount: float, dimension: Dimension) -> Any:
    """12.5 nodes."""
    message = f"`{slot.name}` has to be whole, and this is {quantity_text(amount, dimension)}"
    low = int(amount // 1)
    help = f"write {quantity_text(low, dimension)} or {quantity_text(low + 1, dimension)}, or use `floor` or `ceil`"
    return site.report(NOT_WHOLE, slot.path, message, help)


def out_of_range(site: Site, slot: Slot, amount: int | float, dimension: Dimension, problem: str) -> Any:
    """0 nodes."""
    message = f"`{slot.name}` is {quantity_text(amount, dimension)}, which {problem}"
    help = f"write {expected(slot.accepts._replace(auto=False))} {limits(slot.accepts.number)}"
    return site.report(OUT_OF_RANGE, slot.path, message, help)
