"""Options that several commands take, and how findings reach standard error."""

import argparse
import os
import sys
from collections.abc import Iterable, Mapping

from ftspec.checked import Checked
from ftspec.core.finding import Finding, Severity
from ftspec.core.message import render, summary
from ftspec.pipeline import check_file


def add_file(parser: argparse.ArgumentParser) -> None:
    """`FILE`, and what may be changed about it from outside."""
    parser.add_argument("file", metavar="FILE", help="a spec (.ft), or - for standard input")
    add_settings(parser)


def add_files(parser: argparse.ArgumentParser) -> None:
    """`FILE…`, and what may be changed about them from outside."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="specs (.ft), or - for standard input")
    add_settings(parser)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """`--set`, as often as needed."""
    words = "override a field, as in parallelism.tensor=4"
    parser.add_argument(
        "--set", dest="settings", metavar="KEY=VALUE", action="append", default=[], type=setting, help=words
    )


def setting(text: str) -> str:
    """A text of `--set`. Raises ArgumentTypeError without a value."""
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} has no value: write KEY=VALUE, as in parallelism.tensor=4")
    return text


def add_format(parser: argparse.ArgumentParser) -> None:
    """`--format text|json`."""
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="what standard output carries (default: text)"
    )


def check_all(files: list[str], settings: list[str]) -> list[Checked]:
    """Each file checked, in order; a file named twice is checked once."""
    return [check_file(path, settings) for path in dict.fromkeys(files)]


def exit_code(results: list[Checked], strict: bool = False) -> int:
    """The worst of several files: unreadable before errors before not fitting. Warnings count if `strict`."""
    codes = {result.exit_code for result in results}
    if strict and any(finding.severity is Severity.WARNING for result in results for finding in result.findings):
        codes.add(1)
    return next((code for code in (2, 1, 3) if code in codes), 0)


def use_colour() -> bool:
    """Whether standard error is a terminal that wants colours (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_each(findings: Iterable[Finding], texts: Mapping[str, str]) -> None:
    """Findings with their places in the texts, to standard error."""
    colour = use_colour()
    for finding in findings:
        print(render(finding, texts.get(finding.path, ""), colour), end="\n\n", file=sys.stderr)


def print_findings(results: list[Checked]) -> None:
    """Every finding with its place, then a line that counts them, to standard error."""
    for result in results:
        print_each(result.findings, result.texts)
    counted = summary([finding for result in results for finding in result.findings])
    if counted:
        print(counted, file=sys.stderr)
