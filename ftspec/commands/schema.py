"""`ftspec schema [NAME]`: the JSON Schemas of what ftspec reads and writes."""

import argparse
import sys

from ftspec.core.resources import read_resource, resource_names

SUMMARY = "list the JSON Schemas, or print one"
_ENDING = ".schema.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="as in spec, check or memory")


def run(arguments: argparse.Namespace) -> int:
    """Print the names, or the schema."""
    names = [name.removesuffix(_ENDING) for name in resource_names("schemas") if name.endswith(_ENDING)]
    if arguments.name is None:
        print(*names, sep="\n")
        return 0
    if arguments.name not in names:
        print(f"ftspec schema: no schema {arguments.name}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    sys.stdout.write(read_resource("schemas", arguments.name + _ENDING))
    return 0
