"""`ftspec memory FILE…`: memory by pipeline stage and by term, with the verdict."""

import argparse
import sys

from ftspec.commands.shared_options import add_files, add_format, check_all, exit_code, print_findings

SUMMARY = "show the memory of one GPU, stage by stage and term by term"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    add_format(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the estimates, whatever the verdict; findings go to standard error."""
    results = check_all(arguments.files, arguments.settings)
    print_findings(results)
    if arguments.format == "json":
        from ftspec.reports.memory_json import memory_report

        sys.stdout.write(memory_report(results))
    else:
        from ftspec.reports.memory_table import print_memory

        print_memory(results)
    return exit_code(results)
