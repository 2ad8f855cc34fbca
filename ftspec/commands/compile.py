"""`ftspec compile FILE --out DIR`: the files for the targets, all or none."""

import argparse
import sys

from ftspec.backends.registry import backend_names
from ftspec.commands.shared_options import add_file, print_findings
from ftspec.pipeline import check_file, compile_checked

SUMMARY = "write the files of the targets, all or none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_file(parser)
    parser.add_argument("--out", metavar="DIR", required=True, help="where the files go")
    known = ", ".join(backend_names())
    parser.add_argument("--to", metavar="TARGET,…", help=f"which targets instead of the file's: {known}")
    parser.add_argument(
        "--force", action="store_true", help="replace files that are not ftspec's or were changed since"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check, compile and write. Nothing is written unless everything is."""
    from ftspec.output.write import OutputRefused, write_artefacts

    requested = None if arguments.to is None else [name.strip() for name in arguments.to.split(",") if name.strip()]
    unknown = sorted(set(requested or ()) - set(backend_names()))
    if unknown or requested == []:
        named = ", ".join(unknown) or repr(arguments.to)
        return _usage(f"no target is called {named}; there are {', '.join(backend_names())}")
    checked = check_file(arguments.file, arguments.settings, requested)
    print_findings([checked])
    if checked.exit_code:
        print("nothing was written", file=sys.stderr)
        return checked.exit_code
    if checked.document and not checked.document.targets:
        known = ",".join(backend_names())
        return _usage(f"{checked.path} names no target: write `target deepspeed {{}}` into it, or add --to {known}")
    try:
        written = write_artefacts(arguments.out, compile_checked(checked), arguments.force)
    except OutputRefused as refusal:
        return _usage(str(refusal))
    print(*written, sep="\n")
    return 0


def _usage(message: str) -> int:
    print(f"ftspec compile: {message}", file=sys.stderr)
    return 2
