"""`ftspec catalog models|hardware [NAME]`: what the catalog knows, and where it knows it from."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict

from ftspec.catalog.load_hardware import (
    accelerator_ids,
    find_accelerator,
    find_network,
    find_node,
    network_ids,
    node_ids,
)
from ftspec.catalog.models import find_model, model_ids
from ftspec.catalog.names import NoMatch

SUMMARY = "list models or hardware, or show one row"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("kind", choices=("models", "hardware"))
    parser.add_argument("name", metavar="NAME", nargs="?", help="an id or a short name")


def run(arguments: argparse.Namespace) -> int:
    """Print the ids, or one row."""
    if arguments.name is None:
        _list(arguments.kind)
        return 0
    finders = (find_model,) if arguments.kind == "models" else (find_accelerator, find_network, find_node)
    results = [finder(arguments.name) for finder in finders]
    row = next((found for found in results if not isinstance(found, NoMatch)), None)
    if row is None:
        misses = [found for found in results if isinstance(found, NoMatch)]
        near = dict.fromkeys(name for miss in misses for name in miss.ambiguous or miss.suggestions)
        guess = f"; did you mean {', '.join(near)}?" if near else ""
        print(f"ftspec catalog: no single row is called {arguments.name}{guess}", file=sys.stderr)
        return 2
    _print_fields(asdict(row))
    return 0


def _list(kind: str) -> None:
    if kind == "models":
        _print_rows((identifier, family) for identifier, family in model_ids().items())
        return
    for ids, word in ((accelerator_ids(), "accelerator"), (network_ids(), "network"), (node_ids(), "node")):
        _print_rows((identifier, word) for identifier in ids)


def _print_rows(rows: Iterable[tuple[str, str]]) -> None:
    for identifier, what in rows:
        print(f"{identifier:<48} {what}")


def _print_fields(fields: dict[str, object], indent: str = "") -> None:
    for name, value in fields.items():
        if isinstance(value, dict):
            print(f"{indent}{name}:")
            _print_fields(value, indent + "  ")
        elif value is not None:
            shown = f"{value:,}" if type(value) is int else value
            print(f"{indent}{name}: {shown}")
