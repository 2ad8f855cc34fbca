"""A composed config taken apart: what somebody wrote, what is derived, and what the tables say of it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ftspec.backends.hydra.leaf import put
from ftspec.backends.hydra.raw import GROUPS
from ftspec.backends.hydra.tree import DERIVED, TABLE, is_derived_reference, is_given_reference
from ftspec.core.finding import Severity


class Problem(NamedTuple):
    """Why a composed config is refused, or what else is worth saying of it: the key, the matter and what to do.

    `code` is a finding's, "" where the config itself is the matter.
    """

    key: str
    message: str
    help: str = ""
    code: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """As a terminal shows it."""
        code = f"[{self.code}]" if self.code else ""
        where = f" {self.key}:" if self.key else ""
        help = f"\n  help: {self.help}" if self.help else ""
        return f"{self.severity}{code}:{where} {self.message}{help}"


class Composed(NamedTuple):
    """The parts of a composed config, nested and resolved.

    `written` has the inputs, those included that follow from others but were given in the spec; derived values
    are left out. `raw` has the raw keys, `defaults` the inputs that the spec left open, and `compiled` what the
    derived values were for the tree as it was written, by dotted key.
    """

    written: dict[str, Any]
    raw: dict[str, Any]
    defaults: Mapping[str, Any]
    compiled: dict[str, Any]


def take_apart(config: DictConfig) -> tuple[Composed | None, list[Problem]]:
    """The parts of a composed config, or None with the reasons why it is none of ours."""
    texts = OmegaConf.to_container(config, resolve=False)
    if not isinstance(texts, dict) or not isinstance(texts.get("ftspec"), dict):
        return None, [Problem("ftspec", "this config was not written by ftspec", "compile the spec: `ftspec compile`")]
    raw_keys = texts["ftspec"].get("raw") or []
    written: dict[str, Any] = {group: {} for group in GROUPS if isinstance(texts.get(group), dict)}
    raw: dict[str, Any] = {}
    compiled: dict[str, Any] = {}
    problems: list[Problem] = []
    for path, text in _texts({str(key): value for key, value in texts.items() if key != "ftspec"}):
        group = path[0]
        if len(path) > 1 and path[1] == DERIVED:
            continue
        if is_derived_reference(group, text):
            value = _tabled(texts[group].get(DERIVED, {}), text)
            if is_given_reference(group, text):
                put(written, path, value)
            elif value is not None:
                compiled[".".join(path)] = value
            continue
        value, problem = _resolved(config, path)
        problems += problem
        put(raw if group in raw_keys else written, path, value)
    defaults = texts["ftspec"].get("defaults") or {}
    return (None, problems) if problems else (Composed(written, raw, defaults, compiled), [])


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
        return (OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node), []
    except OmegaConfBaseException as error:
        help = "override it with a value, or mend what it refers to"
        return None, [Problem(".".join(path), str(error).splitlines()[0], help)]


def _tabled(table: Mapping[str, Any], text: str) -> Any:
    """The value that a derived reference had when the tree was compiled; None where it is an expression."""
    block_name = text.split(f".{DERIVED}.", 1)[1].partition(".")[0]
    rows = table.get(block_name, {}).get(TABLE, {}).values()
    return next((row.get(text.rpartition(".")[2].removesuffix("}")) for row in rows), None)
