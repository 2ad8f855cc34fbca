"""Groups to files: inputs as values, derived values as interpolations that cannot go stale.

A derived value is read through a table in its own group file, `derived`. A block of the table is keyed by the
text `follows`, which names the values it was compiled for; once one of them is overridden the text is another,
and OmegaConf raises InterpolationKeyError naming both. A block `always` recomputes instead.
"""

from collections.abc import Mapping
from typing import Any

from ftspec.backends.hydra.leaf import Group, Leaf, leaves, plain, put
from ftspec.backends.hydra.yaml_text import escape_interpolation

DERIVED = "derived"
TABLE = "recompile_with_ftspec_for"
_GIVEN = "given_"


def config_text(value: Any) -> Any:
    """A value as OmegaConf must find it to read that value: interpolations in strings escaped, at any depth."""
    if isinstance(value, str):
        return escape_interpolation(value)
    if isinstance(value, Mapping):
        return {key: config_text(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [config_text(item) for item in value]
    return value


def _block_name(group: str, path: str, leaf: Leaf) -> str:
    """Values that follow from the same one thing share a block; any other has a block of its own."""
    if not leaf.follows:
        return "always"
    own = path if len(leaf.follows) > 1 else "by_" + leaf.follows[0].removeprefix(f"{group}.")
    return (_GIVEN if leaf.given else "") + own.replace(".", "_")


def is_derived_reference(group: str, text: Any) -> bool:
    """Whether a value of a composed config still is the interpolation that a derived leaf was written as."""
    return isinstance(text, str) and text.startswith(f"${{{group}.{DERIVED}.")


def is_given_reference(group: str, text: str) -> bool:
    """Whether it is one whose value the user wrote."""
    return text.startswith(f"${{{group}.{DERIVED}.{_GIVEN}")


def _key(leaf: Leaf, resolved: Mapping[str, Any]) -> tuple[str, str]:
    """The text `follows` with interpolations, and what it resolves to now."""
    live = ", ".join(f"{key}=${{{key}}}" for key in leaf.follows)
    now = ", ".join(f"{key}={resolved[key]}" for key in leaf.follows)
    return live, now


def file_content(name: str, group: Group, resolved: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A group file's content and its origins by dotted key. `resolved` has every leaf of the tree by dotted key."""
    content: dict[str, Any] = {}
    table: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for path, leaf in leaves(group):
        origins[path] = leaf.origin
        if not leaf.derived:
            put(content, path.split("."), config_text(leaf.value))
            continue
        block = _block_name(name, path, leaf)
        value = config_text(leaf.value) if leaf.text is None else leaf.text
        flat = path.replace(".", "_")
        where = f"{name}.{DERIVED}.{block}"
        if not leaf.follows:
            table.setdefault(block, {})[flat] = value
            put(content, path.split("."), f"${{{where}.{flat}}}")
            origins[f"{DERIVED}.{block}.{flat}"] = leaf.origin
            continue
        live, now = _key(leaf, resolved)
        rows = table.setdefault(block, {"follows": live, TABLE: {now: {}}})
        rows[TABLE][now][flat] = value
        put(content, path.split("."), f"${{{where}.{TABLE}[${{{where}.follows}}].{flat}}}")
        origins[f"{DERIVED}.{block}.follows"] = "constant: the values that the table is for"
        origins[f"{DERIVED}.{block}.{TABLE}.{now}.{flat}"] = leaf.origin
    return ({**content, DERIVED: table} if table else content), origins


def resolved_values(groups: Mapping[str, Group]) -> dict[str, Any]:
    """Every leaf of the tree by its dotted key in the composed config."""
    return {f"{name}.{path}": leaf.value for name, group in groups.items() for path, leaf in leaves(group)}


def resolved_config(groups: Mapping[str, Group]) -> dict[str, Any]:
    """The composed config with every leaf as its value, without the tables."""
    return {name: plain(group) for name, group in groups.items()}


def default_values(groups: Mapping[str, Group]) -> dict[str, Any]:
    """The inputs that nobody wrote, nested as in the composed config: an equal value counts as not written."""
    defaults: dict[str, Any] = {}
    for name, group in groups.items():
        for path, leaf in leaves(group):
            if leaf.default and leaf.value is not None:
                put(defaults, (name, *path.split(".")), leaf.value)
    return defaults
