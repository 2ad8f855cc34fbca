"""One command-line argument, and the three ways in which it is written: tokens, YAML, shell."""

import json
from collections.abc import Iterable
from typing import NamedTuple

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]


class Argument(NamedTuple):
    """A flag without its dashes, its value (True for a flag that takes none, a tuple for several), and its origin.

    `origin` is the plan path that it carries, "raw", or "constant: why".
    """

    flag: str
    value: Value
    origin: str


def tokens(argument: Argument) -> list[str]:
    """The argument as a process receives it.

    A value that looks like a flag is joined by "=", or argparse would take it for one.
    """
    name = f"--{argument.flag}"
    if argument.value is True:
        return [name]
    if isinstance(argument.value, tuple):
        return [name, *map(_text, argument.value)]
    text = _text(argument.value)
    if text.startswith("-") and isinstance(argument.value, str):
        return [f"{name}={text}"]
    return [name, text]


def arguments_text(arguments: Iterable[Argument]) -> str:
    """One shell-quoted token a line."""
    import shlex

    return "".join(f"{shlex.quote(token)}\n" for argument in arguments for token in tokens(argument))


def arguments_yaml(arguments: Iterable[Argument]) -> str:
    """`flag: value` lines, in the order of the arguments."""
    return "".join(f"{argument.flag}: {_yaml(argument.value)}\n" for argument in arguments)


def shell_lines(arguments: Iterable[Argument], indent: str) -> str:
    """One line a flag, quoted for bash; commas too, which shellcheck takes for a mistake in an array."""
    return "".join(f"{indent}{' '.join(map(_shell, tokens(argument)))}\n" for argument in arguments)


def _shell(token: str) -> str:
    import shlex

    quoted = shlex.quote(token)
    return f"'{token}'" if quoted == token and "," in token else quoted


def _text(value: Scalar) -> str:
    return value if isinstance(value, str) else repr(value)


def _yaml(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _yaml_float(value)
    return json.dumps(value, ensure_ascii=False)


def _yaml_float(value: float) -> str:
    """A float that YAML 1.1 reads as one: it takes `1e-05` for a string."""
    mantissa, exponent, rest = repr(value).partition("e")
    return f"{mantissa}.0{exponent}{rest}" if exponent and "." not in mantissa else repr(value)
