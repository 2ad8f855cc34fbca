"""Plain values to a typed block: every key and value checked against the block's annotations."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ftspec.core.finding import Edit, Finding, Fix
from ftspec.core.rule import Rule
from ftspec.core.source import START, Place, Span
from ftspec.core.suggest import nearest
from ftspec.core.units import Dimension, Quantity
from ftspec.spec.evaluation_codes import UNKNOWN_NAME
from ftspec.spec.fields import Accepts, Field, fields_of, kind_words
from ftspec.spec.kinds import AUTO
from ftspec.spec.typed_codes import (
    AUTO_NOT_ALLOWED,
    BAD_TEXT,
    BLOCK_OR_VALUE,
    MISSING_FIELD,
    MISSING_KIND,
    NOT_WHOLE,
    OUT_OF_RANGE,
    QUOTES,
    UNKNOWN_FIELD,
    UNKNOWN_WORD,
    WRONG_TYPE,
    WRONG_UNIT,
)
from ftspec.spec.values import DIMENSION_NAMES, FAILED, Word, quantity_text, shortened, shown
from ftspec.spec.wording import EXAMPLES, block_words, expected, listed

Block = TypeVar("Block")


def build(
    kind: type[Block], values: Mapping[str, Any], places: Mapping[str, Place], path: str = "", span: Span = START
) -> tuple[Block, list[Finding]]:
    """An instance of a block's dataclass from nested plain values.

    `values` holds str, `Word`, int, float, bool, list, dict, `Quantity` and `AUTO`; `places` the place of each
    key under its dotted path, which for the keys of `values` begins with `path`. `span` stands for what has no
    place. A field whose value is wrong gets a finding and its default, None where it has none.
    """
    builder = _Builder(places, span)
    return builder.block(kind, values, path), builder.findings


class _Builder:
    """One building: where things are written, and what was found."""

    def __init__(self, places: Mapping[str, Place], span: Span) -> None:
        self.places = places
        self.span = span
        self.findings: list[Finding] = []

    def where(self, path: str, key: bool = False) -> Span:
        """The span of a value (or its key), else of its nearest parent that has a place."""
        while path:
            place = self.places.get(path)
            if place is not None:
                return place.key if key else place.value
            path = path.rpartition(".")[0]
        return self.span

    def report(self, rule: Rule, path: str, message: str, help: str | None = None, fix: Fix | None = None, key: bool = False) -> Any:
        """Report and give the value of what failed."""
        self.findings.append(rule.finding(message, self.where(path, key), help, fix))
        return FAILED

    def block(self, kind: type[Block], values: Mapping[str, Any], path: str) -> Block:
        """The instance of a block; see `build`."""
        known = fields_of(kind)
        given: dict[str, Any] = {}
        for key, value in values.items():
            where = f"{path}.{key}" if path else key
            field = known.get(key)
            if field is None:
                self.unknown_field(kind, key, value, where)
                continue
            converted = self.value(field.key, field.accepts, value, where)
            if converted is not FAILED:
                given[field.attribute] = converted
        for field in known.values():
            if field.required and field.attribute not in given:
                if field.key not in values:
                    self.report(MISSING_FIELD, path, f"`{field.key}` is missing: {field.doc}", f"write `{field.key} = …`")
                given[field.attribute] = None
        return kind(**given)

    def unknown_field(self, kind: type[Any], key: str, value: Any, path: str) -> None:
        """Report a key that a block does not have."""
        from ftspec.spec.unknown import explain_unknown

        if key == "kind" and isinstance(value, Word) and path not in self.places:
            parent = path.rpartition(".")[0]
            name = parent.rpartition(".")[2] or "this block"
            self.report(BLOCK_OR_VALUE, parent, f"`{name}` is one block and takes no word before `{{`", f"write `{name} {{ … }}`", key=True)
            return
        message, help, right = explain_unknown(kind, shortened(key), path, value)
        span = self.where(path, key=True)
        fix = Fix(f"write `{right}`", (Edit(span, right),)) if right and path in self.places else None
        self.report(UNKNOWN_FIELD, path, message, help, fix, key=True)

    def value(self, name: str, accepts: Accepts, value: Any, path: str) -> Any:
        """The value of a field, or FAILED with a finding."""
        if value is AUTO:
            if accepts.auto:
                return AUTO
            return self.report(AUTO_NOT_ALLOWED, path, f"`{name}` cannot be `auto`: nothing could fill it", f"write {expected(accepts)}, or leave it out")
        if isinstance(value, dict):
            return self.inner_block(name, accepts, value, path)
        if isinstance(value, Word):
            return self.word(name, accepts, value, path)
        if isinstance(value, str):
            return self.string(name, accepts, value, path)
        if isinstance(value, bool):
            return value if accepts.boolean else self.wrong_type(name, accepts, value, path)
        if isinstance(value, list):
            return self.items(name, accepts, value, path)
        return self.number(name, accepts, value, path)

    def wrong_type(self, name: str, accepts: Accepts, value: Any, path: str) -> Any:
        """Report a value that no type of the field fits."""
        if accepts.blocks and not (accepts.words or accepts.string or block_words(accepts)):
            return self.report(BLOCK_OR_VALUE, path, f"`{name}` is a block, and this is {shown(value)}", f"write `{name} {{ … }}`")
        return self.report(WRONG_TYPE, path, f"`{name}` takes {expected(accepts)}, and this is {shown(value)}", f"write {expected(accepts)}")

    def inner_block(self, name: str, accepts: Accepts, value: dict[str, Any], path: str) -> Any:
        """A block: the field's only one, or the one that its word chooses."""
        if not accepts.blocks:
            tag = value.get("kind")
            if isinstance(tag, Word) and f"{path}.kind" not in self.places:
                if tag in accepts.words:
                    return self.report(BLOCK_OR_VALUE, path, f"the word `{tag}` takes no settings here", f"write `{name} = {tag}`")
                return self.report(BLOCK_OR_VALUE, path, f"`{name}` takes {expected(accepts)}, not a block")
            return self.report(BLOCK_OR_VALUE, path, f"`{name}` is a value, not a block", f"write `{name} = …`: {expected(accepts)}", key=True)
        words = block_words(accepts)
        if len(accepts.blocks) == 1:
            return self.block(accepts.blocks[0], value, path)
        chosen = value.get("kind")
        if chosen is None:
            return self.report(MISSING_KIND, path, f"`{name}` does not say which of {listed(words)} it is", f"write `{name} = {words[0]} {{ … }}`, or another of them")
        for block in accepts.blocks:
            if chosen in kind_words(block):
                return self.block(block, value, path)
        return self.unknown_word(name, accepts, str(chosen), path)

    def word(self, name: str, accepts: Accepts, word: Word, path: str) -> Any:
        """A bare word: an enum value, or a block without settings."""
        if word in accepts.words:
            return str(word)
        for block in accepts.blocks:
            if word in kind_words(block):
                return self.block(block, {"kind": word}, path)
        if accepts.words or block_words(accepts):
            return self.unknown_word(name, accepts, word, path)
        if accepts.string:
            help = f'write `"{word}"` in quotes'
            return self.report(QUOTES, path, f"`{name}` takes a string, and a bare word is none", help, self.replacement(path, word, f'"{word}"'))
        if accepts.boolean and word.lower() in ("yes", "no", "on", "off", "true", "false"):
            right = "true" if word.lower() in ("yes", "on", "true") else "false"
            return self.report(UNKNOWN_WORD, path, f"`{name}` is `true` or `false`", f"write `{right}`", self.replacement(path, word, right))
        if accepts.integer or accepts.real:
            meant = nearest(word, word.known)
            help = f"did you mean `{meant}`?" if meant else f"write {expected(accepts)}, or define `let {word} = …`"
            return self.report(UNKNOWN_NAME, path, f"`{name}` takes {expected(accepts)}, and there is no `let` named `{word}`", help)
        return self.wrong_type(name, accepts, word, path)

    def unknown_word(self, name: str, accepts: Accepts, word: str, path: str) -> Any:
        """Report a word that is none of the field's."""
        words = [*(str(each) for each in accepts.words), *block_words(accepts)]
        meant = nearest(word, words)
        known = getattr(word, "known", ())
        help = f"did you mean `{meant}`?" if meant else f"write {listed(words)}" + ("; no `let` has that name either" if known else "")
        fix = self.replacement(path, word, meant) if meant else None
        return self.report(UNKNOWN_WORD, path, f"`{name}` has no `{shortened(word)}`: it is {listed(words)}", help, fix)

    def string(self, name: str, accepts: Accepts, value: str, path: str) -> Any:
        """A string in quotes."""
        if accepts.string:
            problem = accepts.text.problem(value) if accepts.text is not None else None
            if problem is None:
                return value
            return self.report(BAD_TEXT, path, f'`{name}` cannot be "{shortened(value)}": it {problem}', "write a plain, printable name")
        if value in accepts.words or value in block_words(accepts):
            fix = self.replacement(path, f'"{value}"', value)
            return self.report(QUOTES, path, f"`{name}` takes a bare word, not a string", f"write `{value}` without quotes", fix)
        if accepts.items is not None and accepts.items.string:
            fix = self.replacement(path, f'"{value}"', f'["{value}"]')
            return self.report(WRONG_TYPE, path, f"`{name}` takes {expected(accepts)}, and this is one string", f'write `["{shortened(value)}"]`', fix)
        if accepts.words or block_words(accepts):
            return self.unknown_word(name, accepts, value, path)
        return self.wrong_type(name, accepts, value, path)

    def replacement(self, path: str, written: str, right: str) -> Fix | None:
        """The fix that writes `right`, where the value's place holds exactly `written` (and not, say, a `let`'s name)."""
        place = self.places.get(path)
        if place is None or place.value.line != place.value.end_line:
            return None
        if place.value.end_column - place.value.column != len(written):
            return None
        return Fix(f"write `{right}`", (Edit(place.value, right),))

    def items(self, name: str, accepts: Accepts, values: list[Any], path: str) -> Any:
        """A list, as a tuple."""
        if accepts.items is None:
            return self.wrong_type(name, accepts, values, path)
        converted = tuple(self.value(f"{name}` item `{index + 1}", accepts.items, value, f"{path}.{index}") for index, value in enumerate(values))
        return FAILED if FAILED in converted else converted

    def number(self, name: str, accepts: Accepts, value: int | float | Quantity, path: str) -> Any:
        """A number with or without a dimension."""
        amount, dimension = value if isinstance(value, Quantity) else (value, Dimension.NUMBER)
        wanted = accepts.number.dimension
        if amount in accepts.words and dimension is Dimension.NUMBER:
            return amount
        if not (accepts.integer or accepts.real):
            return self.wrong_type(name, accepts, value, path)
        if dimension is not wanted:
            return self.wrong_unit(name, wanted, amount, dimension, path)
        if accepts.integer and amount != int(amount):
            message = f"`{name}` has to be whole, and this is {quantity_text(amount, dimension)}"
            return self.report(NOT_WHOLE, path, message, f"write {int(amount)} or {int(amount) + 1}, or round with `floor` or `ceil`")
        problem = accepts.number.problem(amount)
        if problem is not None:
            return self.report(OUT_OF_RANGE, path, f"`{name}` is {quantity_text(amount, dimension)}, which {problem}")
        return int(amount) if accepts.integer else float(amount)

    def wrong_unit(self, name: str, wanted: Dimension, amount: int | float, dimension: Dimension, path: str) -> Any:
        """Report a number of another dimension than the field's."""
        text = quantity_text(amount, dimension)
        if dimension is Dimension.NUMBER:
            return self.report(WRONG_UNIT, path, f"`{name}` is {DIMENSION_NAMES[wanted]} and needs a unit; {text} has none", f"write it like `{EXAMPLES[wanted]}`")
        message = f"`{name}` is {DIMENSION_NAMES[wanted]}, and `{text}` is {DIMENSION_NAMES[dimension]}"
        if dimension is Dimension.BYTES and wanted is Dimension.BYTES_PER_SECOND:
            return self.report(WRONG_UNIT, path, message, f"write `{text}/s`")
        return self.report(WRONG_UNIT, path, message, f"write it like `{EXAMPLES[wanted]}`")
