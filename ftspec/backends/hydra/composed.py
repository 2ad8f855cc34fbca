"""A composed config taken apart: what somebody wrote, what is derived, and what the tables say of it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftspec.backends.hydra.leaf import put
from ftspec.backends.hydra.tree import DERIVED, TABLE, is_derived_reference, is_given_reference


class Problem(NamedTuple):
    """Why a composed config is refused: the key, what is wrong and what to do. `code` is a finding's, else ""."""

    key: str
    message: str
    help: str = ""
    code: str = ""

    def __str__(self) -> str:
        """As a terminal shows it."""
        code = f"[{self.code}]" if self.code else ""
        where = f" {self.key}:" if self.key else ""
        help = f"\n  help: {self.help}" if self.help else ""
        return f"error{code}:{where} {self.message}{help}"


class Composed(NamedTuple):
    """The parts of a composed config, nested and resolved.

    `written` has the inputs, those included that follow from others but were given in the spec; derived values
    are left out. `raw` has the raw keys, `defaults` the inputs that the spec left open.
    """

    written: dict[str, Any]
    raw: dict[str, Any]
    defaults: Mapping[str, Any]


def take_apart(config: DictConfig) -> tuple[Composed | None, list[Problem]]:
    """The parts of a composed config, or None with the reasons why it is none of ours."""
    texts = OmegaConf.to_container(config, resolve=False)
    if not isinstance(texts, dict) or not isinstance(texts.get("ftspec"), dict):
        return None, [Problem("ftspec", "this config was not written by ftspec", "compile the spec: `ftspec compile`")]
    raw_keys = texts["ftspec"].get("raw") or []
    written: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    problems: list[Problem] = []
    for path, text in _texts({str(key): value for key, value in texts.items() if key != "ftspec"}):
        group = path[0]
        if len(path) > 1 and path[1] == DERIVED:
            continue
        if is_derived_reference(group, text):
            if is_given_reference(group, text):
                put(written, path, _tabled(texts[group][DERIVED], text))
            continue
        value, problem = _resolved(config, path)
        problems += problem
        put(raw if group in raw_keys else written, path, value)
    defaults = texts["ftspec"].get("defaults") or {}
    return (None, problems) if problems else (Composed(written, raw, defaults), [])


def _texts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every leaf of nested mappings with its path; lists and empty mappings are leaves."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _texts(item, (*path, str(key)))
    else:
        yield path, value


def _resolved(config: DictConfig, path: tuple[str, ...]) -> tuple[Any, list[Problem]]:
    node: Any = config
    try:
        for key in path:
            node = node[key]
    except OmegaConfBaseException as error:
        message = str(error).splitlines()[0]
        return None, [Problem(".".join(path), message, "override it with a value, or mend what it refers to")]
    try:
        return (OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node), []
    except OmegaConfBaseException as error:
        return None, [Problem(".".join(path), str(error).splitlines()[0], "override it with a value, or mend what it refers to")]


def _tabled(table: Mapping[str, Any], text: str) -> Any:
    """The value that a derived reference had when the tree was compiled."""
    block_name = text.split(f".{DERIVED}.", 1)[1].partition(".")[0]
    (row,) = table[block_name][TABLE].values()
    return row.get(text.rpartition(".")[2].removesuffix("}"))
