"""YAML as Hydra reads it: a small, deterministic writer whose texts PyYAML and OmegaConf read alike.

The two disagree about plain scalars (`1e-5` is a string to PyYAML and a float to OmegaConf), so everything that
is not a plain word is written in the one form on which they agree.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_WORDS_OF_YAML = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"])
_WORD_MARKS = frozenset("_-./")
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def escape_interpolation(text: str) -> str:
    """A text that OmegaConf resolves to `text`: `${` becomes `\\${`, and backslashes before it are doubled."""
    parts = text.split("${")
    escaped = [part + "\\" * (len(part) - len(part.rstrip("\\"))) for part in parts[:-1]]
    return "\\${".join([*escaped, parts[-1]])


def _escaped(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_word(text: str) -> bool:
    return (
        text[:1].isalpha()
        and text.isascii()
        and text.lower() not in _WORDS_OF_YAML
        and all(character.isalnum() or character in _WORD_MARKS for character in text)
    )


def _number(value: float) -> str:
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}.0e{power}" if exponent and "." not in mantissa else text


def scalar(value: str | float | bool | None) -> str:
    """A scalar: a plain word as it is, any other string in double quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    return value if _is_word(value) else f'"{"".join(map(_escaped, value))}"'


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value)


def _item(value: Any) -> str:
    """An item of a block list; the defaults list is made of mappings with one key."""
    if isinstance(value, Mapping) and len(value) == 1:
        return "".join(f"{scalar(key)}: {_flow(item)}" for key, item in value.items())
    return _flow(value)


def _lines(mapping: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{scalar(key)}:", *_lines(value, indent + "  ")]
        elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 1:
            lines += [f"{indent}{scalar(key)}:", *(f"{indent}  - {_item(item)}" for item in value)]
        else:
            lines.append(f"{indent}{scalar(key)}: {_flow(value)}")
    return lines


def yaml_text(mapping: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """A whole file: the comments, one a line, then the mapping in its own order."""
    return "\n".join([*(f"# {comment}" for comment in comments), *(_lines(mapping, "") or ["{}"])]) + "\n"
