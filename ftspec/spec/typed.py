"""Plain values to a typed block: every key and value checked against the block's annotations."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.core.source import START, Place, Span
from ftspec.core.suggest import MOST_EXPLAINED
from ftspec.core.units import Dimension, Quantity
from ftspec.spec import mismatch
from ftspec.spec.fields import fields_of, kind_words
from ftspec.spec.kinds import AUTO
from ftspec.spec.site import Site, Slot
from ftspec.spec.typed_codes import BAD_TEXT, BLOCK_OR_VALUE, UNKNOWN_FIELD
from ftspec.spec.values import FAILED, Word, shortened
from ftspec.spec.wording import block_words

Block = TypeVar("Block")


def build(
    kind: type[Block], values: Mapping[str, Any], places: Mapping[str, Place], path: str = "", span: Span = START
) -> tuple[Block, list[Finding]]:
    """An instance of a block's dataclass from nested plain values.

    `values` holds str, `Word`, int, float, bool, list, dict, `Quantity` and `AUTO`; `places` the place of each
    key under its dotted path, which for the keys of `values` begins with `path`. `span` stands for what has no
    place. A field whose value is wrong gets a finding and its default.
    """
    site = Site(places, span)
    return _block(site, kind, values, path), site.findings


def _block(site: Site, kind: type[Block], values: Mapping[str, Any], path: str) -> Block:
    known = fields_of(kind)
    given: dict[str, Any] = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else key
        field = known.get(key)
        if field is None:
            _unknown_field(site, kind, key, value, where)
            continue
        converted = _value(site, Slot(key, field.accepts, where), value)
        if converted is not FAILED:
            given[field.attribute] = converted
    return kind(**given)


def _unknown_field(site: Site, kind: type[Any], key: str, value: Any, path: str) -> None:
    from ftspec.spec.unknown import explain_unknown

    if key == "kind" and isinstance(value, Word) and path not in site.places:
        block = path.rpartition(".")[0]
        name = block.rpartition(".")[2] or "this block"
        message = f"`{name}` is one block and takes no word before `{{`"
        site.report(BLOCK_OR_VALUE, block, message, f"write `{name} {{ … }}`", key=True)
        return
    if len(site.findings) >= MOST_EXPLAINED:
        site.report(UNKNOWN_FIELD, path, f"there is no key `{shortened(key)}` here", key=True)
        return
    message, help, right = explain_unknown(kind, shortened(key), path)
    fix = Fix(f"write `{right}`", (Edit(site.where(path, key=True), right),)) if right and path in site.places else None
    site.report(UNKNOWN_FIELD, path, message, help, fix=fix, key=True)


def _value(site: Site, slot: Slot, value: Any) -> Any:
    """The value of a field, or FAILED with a finding."""
    accepts = slot.accepts
    if value is AUTO:
        return AUTO if accepts.auto else mismatch.auto_not_allowed(site, slot)
    if isinstance(value, dict):
        return _inner_block(site, slot, value)
    if isinstance(value, Word):
        return _word(site, slot, value)
    if isinstance(value, str):
        return _string(site, slot, value)
    if isinstance(value, bool):
        return value if accepts.boolean else mismatch.wrong_type(site, slot, value)
    if isinstance(value, list):
        return _items(site, slot, value)
    return _number(site, slot, value)


def _inner_block(site: Site, slot: Slot, value: dict[str, Any]) -> Any:
    """A block: the field's only one, or the one that its word chooses."""
    blocks = slot.accepts.blocks
    if not blocks:
        return mismatch.not_a_block(site, slot, value)
    if not block_words(slot.accepts):
        return _block(site, blocks[0], value, slot.path)
    chosen = value.get("kind")
    if chosen is None:
        return mismatch.missing_kind(site, slot, value)
    for block in blocks:
        if chosen in kind_words(block):
            return _block(site, block, {**value, "kind": Word(chosen)}, slot.path)
    return (
        mismatch.unknown_word(site, slot, chosen)
        if isinstance(chosen, str)
        else mismatch.missing_kind(site, slot, value)
    )


def _word(site: Site, slot: Slot, word: Word) -> Any:
    """A bare word: an enum value, or a block without settings."""
    if word in slot.accepts.words:
        return str(word)
    for block in slot.accepts.blocks:
        if word in kind_words(block):
            return _block(site, block, {"kind": word}, slot.path)
    return mismatch.wrong_word(site, slot, word)


def _string(site: Site, slot: Slot, value: str) -> Any:
    if not slot.accepts.string:
        return mismatch.wrong_string(site, slot, value)
    problem = slot.accepts.text.problem(value) if slot.accepts.text is not None else None
    if problem is None:
        return value
    message = f'`{slot.name}` cannot be "{shortened(value)}": it {problem}'
    return site.report(BAD_TEXT, slot.path, message, "write a plain, printable name such as `r1-70b-full`")


def _items(site: Site, slot: Slot, values: list[Any]) -> Any:
    """A list, as a tuple."""
    item = slot.accepts.items
    if item is None:
        return mismatch.wrong_type(site, slot, values)
    converted = tuple(
        _value(site, Slot(f"{slot.name}[{index}]", item, f"{slot.path}.{index}"), value)
        for index, value in enumerate(values)
    )
    return FAILED if FAILED in converted else converted


def _number(site: Site, slot: Slot, value: int | float | Quantity) -> Any:
    """A number with or without a dimension."""
    accepts = slot.accepts
    amount, dimension = value if isinstance(value, Quantity) else (value, Dimension.NUMBER)
    if amount in accepts.words and dimension is Dimension.NUMBER:
        return amount
    if not (accepts.integer or accepts.real):
        return mismatch.wrong_type(site, slot, value)
    if dimension is not accepts.number.dimension:
        return mismatch.wrong_unit(site, slot, amount, dimension)
    if accepts.integer and amount != int(amount):
        return mismatch.not_whole(site, slot, amount, dimension)
    problem = accepts.number.problem(amount)
    if problem is not None:
        return mismatch.out_of_range(site, slot, amount, dimension, problem)
    return int(amount) if accepts.integer else float(amount)
