"""Keys that a block does not have: what was probably meant, and where it belongs."""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from ftspec.core.resources import json_beside
from ftspec.core.suggest import nearest
from ftspec.spec.fields import Accepts, fields_of, kind_words, spec_paths
from ftspec.spec.model import Spec
from ftspec.spec.wording import block_words, listed


class Synonym(NamedTuple):
    """Another tool's name for a field: the field's path and, where the name does not say quite the same, what the
    name means and what to write.
    """

    tools: str
    path: str
    write: str
    meaning: str


class Explanation(NamedTuple):
    """What to say about an unknown key. `right`: the key of the same block that was meant, for a fix."""

    message: str
    help: str
    right: str | None = None


@cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = json_beside(__file__, "synonyms.json")
    return tables


def meant_word(word: str, words: Iterable[str]) -> str | None:
    """Which of a field's words another tool's word or a misspelt one means (`bfloat16`: bf16).

    None for what ftspec does not have: `dora` is no misspelling of `lora`, and `fp64` none of `fp16`.
    """
    ours = _tables()["words"]
    folded = word.lower()
    if folded in ours:
        return ours[folded] if ours[folded] in words else None
    meant = nearest(word, words)
    digits = _digits(word)
    return meant if meant is None or not digits or digits == _digits(meant) else None


def _digits(word: str) -> list[str]:
    return sorted(filter(str.isdigit, word))


def usual_word(accepts: Accepts, path: str, keys: Iterable[str] = ()) -> str:
    """The word of a field's choice of blocks for an example: of a block that has these keys, if one has."""
    asked = set(keys)
    fitting = [word for block in accepts.blocks if asked <= fields_of(block).keys() for word in kind_words(block)]
    words = fitting or block_words(accepts)
    usual = str(_tables()["usual"].get(path))
    return usual if usual in words else words[0]


@cache
def synonyms() -> dict[str, Synonym]:
    """Names of DeepSpeed, Megatron and Hugging Face, folded to lower case with `_`."""
    rows = _tables()["synonyms"]
    return {
        row["name"]: Synonym(row["tools"], row["path"], row.get("write", ""), row.get("meaning", "")) for row in rows
    }


@cache
def _homes() -> dict[str, list[str]]:
    """The paths of the spec's fields by their last part."""
    homes: dict[str, list[str]] = {}
    for path in spec_paths():
        homes.setdefault(path.rpartition(".")[2], []).append(path)
    return homes


@cache
def _blocks_of_spec() -> frozenset[type[Any]]:
    return frozenset(owner for owner, _ in spec_paths().values())


def _block_of(path: str) -> str:
    return path.rpartition(".")[0]


def _place(block: str) -> str:
    """How to say where something stands: in `parallelism`."""
    return f"in `{block}`" if block else "at the top of the file"


def _how_to_write(path: str, written: str = "") -> str:
    """What to write for a field, and where; `written` may begin with the field's block, which stands one block out."""
    block, _, key = path.rpartition(".")
    name = block.rpartition(".")[2]
    field = spec_paths()[block][1] if block else None
    if not written and field is not None and block_words(field.accepts):
        written = f"{name} = {usual_word(field.accepts, block, [key])} {{ {key} = … }}"
    outside = bool(name) and written.startswith(f"{name} ")
    return f"write `{written or f'{key} = …'}` {_place(_block_of(block) if outside else block)}"


def explain_unknown(kind: type[Any], key: str, path: str) -> Explanation:
    """What to say about a key at a path that its block's `kind` does not have."""
    known = fields_of(kind)
    here = f"{_subject(kind, _block_of(path))} `{key}`"
    meant = nearest(key, known)
    if kind in _blocks_of_spec():
        folded = key.lower().replace("-", "_")
        synonym = synonyms().get(folded)
        if synonym is not None and synonym.path != path:
            return _other_name(here, synonym, _block_of(path), known)
        if folded in _homes() and meant != folded:
            return _elsewhere(here, folded, _block_of(path))
    if meant is not None:
        return Explanation(here, f"did you mean `{meant}`?", meant)
    elsewhere = nearest(key, _homes()) if kind is Spec else None
    if elsewhere is not None:
        return Explanation(here, f"did you mean `{elsewhere}` {_place(_block_of(_homes()[elsewhere][0]))}?")
    keys = [each for each in known if not (each == "kind" and kind_words(kind))]
    return Explanation(here, f"its keys are {', '.join(keys)}" if keys else "it has no keys: remove this one")


def _subject(kind: type[Any], block: str) -> str:
    """Who has no such key: `lora`, `parallelism`, the top of a spec or a target."""
    words = kind_words(kind)
    if len(words) == 1:
        return f"`{words[0]}` has no"
    if block:
        return f"`{block}` has no"
    return "the top of a spec has no" if kind is Spec else "this target has no"


def _other_name(here: str, synonym: Synonym, block: str, known: Iterable[str]) -> Explanation:
    """Another tool's name, or one that means something else here."""
    right = synonym.path.rpartition(".")[2]
    meaning = synonym.meaning or f"that is {synonym.tools}'s name for `{synonym.path}`"
    message = f"{here}: {meaning}"
    same = not synonym.write or f"{{ {right} = … }}" in synonym.write
    if block == _block_of(synonym.path) and right in known and same:
        return Explanation(message, f"write `{right} = …` {_place(block)}", right)
    return Explanation(message, _how_to_write(synonym.path, synonym.write))


def _elsewhere(here: str, key: str, block: str) -> Explanation:
    """A key of other blocks, or of another of the blocks that its field chooses from."""
    homes = _homes()[key]
    if f"{block}.{key}" in homes:
        blocks = spec_paths()[block][1].accepts.blocks
        having = [word for each in blocks if key in fields_of(each) for word in kind_words(each)]
        message = f"{here}: only {listed(having, 'and')} {'has' if len(having) == 1 else 'have'} it"
        return Explanation(message, f"remove it, or {_how_to_write(f'{block}.{key}')}")
    message = f"{here}: it belongs {' or '.join(_place(_block_of(home)) for home in homes)}"
    home = _block_of(homes[0])
    if home and block_words(spec_paths()[home][1].accepts):
        return Explanation(message, _how_to_write(homes[0]))
    return Explanation(message, f"move it {f'into `{home}`' if home else 'to the top of the file'}")
