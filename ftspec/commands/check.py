"""`ftspec check FILE…`: findings only."""

import argparse
import sys

from ftspec.commands.shared_options import add_files, add_format, check_all, exit_code, print_findings

SUMMARY = "say what is wrong with specs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    add_format(parser)
    parser.add_argument("--strict", action="store_true", help="let warnings fail, too")


def run(arguments: argparse.Namespace) -> int:
    """Check the files and print what was found."""
    results = check_all(arguments.files, arguments.settings)
    if arguments.format == "json":
        from ftspec.reports.check_json import check_report

        sys.stdout.write(check_report(results))
    else:
        print_findings(results)
        for result in results:
            if not result.findings:
                print(f"{result.path}: nothing wrong", file=sys.stderr)
    return exit_code(results, arguments.strict)
