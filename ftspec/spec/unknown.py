"""Keys that a block does not have: what was probably meant, and where it belongs."""

from functools import cache
from typing import Any, NamedTuple

from ftspec.core.resources import json_beside
from ftspec.core.suggest import nearest
from ftspec.spec.fields import fields_of, spec_paths


class Synonym(NamedTuple):
    """Another tool's name for a field: the field's path and, where it is not obvious, what to write."""

    tools: str
    path: str
    write: str


@cache
def _tables() -> dict[str, Any]:
    tables: dict[str, Any] = json_beside(__file__, "synonyms.json")
    return tables


def word_synonym(word: str) -> str | None:
    """Our word for another tool's (`bfloat16`: bf16), if it has one."""
    ours: str | None = _tables()["words"].get(word.lower())
    return ours


@cache
def synonyms() -> dict[str, Synonym]:
    """Names of DeepSpeed, Megatron and Hugging Face, folded to lower case with `_`."""
    rows = _tables()["synonyms"]
    return {row["name"]: Synonym(row["tools"], row["path"], row.get("write", "")) for row in rows}


def _place_of(path: str) -> str:
    """How to say where a field stands: in `parallelism`."""
    block = path.rpartition(".")[0]
    return f"in `{block}`" if block else "at the top of the file"


def _move(path: str) -> str:
    block = path.rpartition(".")[0]
    return f"into `{block}`" if block else "to the top of the file"


def _homes(key: str) -> list[str]:
    return [path for path in spec_paths() if path.rpartition(".")[2] == key]


def explain_unknown(kind: type[Any], key: str, path: str) -> tuple[str, str, str | None]:
    """The message and the help for an unknown key, and the key of the same block that was meant (for a fix), if any."""
    block, _, _ = path.rpartition(".")
    here = f"`{block}` has no `{key}`" if block else f"there is no `{key}` at the top of a spec"
    known = fields_of(kind)
    if any(owner is kind for owner, _ in spec_paths().values()):
        folded = key.lower().replace("-", "_")
        synonym = synonyms().get(folded)
        if synonym is not None and synonym.path != path:
            right = synonym.path.rpartition(".")[2]
            same = synonym.path.rpartition(".")[0] == block and not synonym.write
            written = synonym.write or f"{right} = …"
            return (
                f"{here}: that is {synonym.tools}'s name for `{synonym.path}`",
                f"write `{written}` {_place_of(synonym.path)}",
                right if same else None,
            )
        homes = _homes(folded)
        meant = nearest(key, known)
        if homes and meant != folded:
            return (
                f"{here}: it belongs {' or '.join(_place_of(home) for home in homes)}",
                f"move it {_move(homes[0])}",
                None,
            )
    meant = nearest(key, known)
    if meant is not None:
        return here, f"did you mean `{meant}`?", meant
    elsewhere = nearest(key, [each.rpartition(".")[2] for each in spec_paths()]) if kind.__name__ == "Spec" else None
    if elsewhere is not None:
        return here, f"did you mean `{elsewhere}` {_place_of(_homes(elsewhere)[0])}?", None
    return here, f"{'its keys are' if block else 'a spec has'} {', '.join(known)}", None
