"""The command line. Each command is a module of `ftspec.commands`, imported only when it runs."""

import argparse
import importlib
import io
import os
import sys

from ftspec import __version__

COMMANDS = ("init", "check", "memory", "compile", "explain", "catalog", "schema")
"""The commands in the order in which `--help` lists them."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 fine, 1 errors found, 2 usage, unreadable or our fault, 3 does not fit.

    With FTSPEC_DEBUG set, a fault of ours raises with its traceback instead.
    """
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a character still shows the rest
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output has gone, as in `ftspec memory | head -1`
        sys.stdout = None  # nothing is left to flush at exit
        return 0
    except KeyboardInterrupt:
        return _stopped("interrupted", 130)
    except OSError as error:
        sys.stdout = None
        return _stopped(f"cannot write: {error.strerror or error}", 2)
    except Exception as error:
        if os.environ.get("FTSPEC_DEBUG"):
            raise
        return _stopped(f"a fault of ftspec itself, please report it: {type(error).__name__}: {error}", 2)


def _stopped(message: str, code: int) -> int:
    print(f"ftspec: {message}", file=sys.stderr)
    return code


def _run(words: list[str]) -> int:
    parser = _parser(words[0] if words else "")
    parsed = parser.parse_args(words)
    return int(parsed.run(parsed))


def _parser(named: str) -> argparse.ArgumentParser:
    """The parser with the named command's arguments; without one, with those of all commands, for the help."""
    parser = argparse.ArgumentParser(
        prog="ftspec",
        description="Check a training job (.ft), estimate its memory, compile it to DeepSpeed, Megatron and Hydra.",
        epilog="Exit codes: 0 nothing wrong, 1 errors, 2 usage or an unreadable file, 3 only that it does not fit.",
    )
    parser.add_argument("--version", action="version", version=f"ftspec {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, prog="ftspec")
    for name in (named,) if named in COMMANDS else COMMANDS:
        command = importlib.import_module(f"ftspec.commands.{name}")
        subparser = subparsers.add_parser(name, help=command.SUMMARY, description=command.SUMMARY)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
