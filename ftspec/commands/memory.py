"""`ftspec memory FILE…`: memory by pipeline stage and by term, with the verdict, and what would lower it."""

import argparse
import sys

from ftspec.commands.shared_options import (
    add_files,
    add_format,
    check_all,
    exit_code,
    print_each,
    print_findings,
    setting,
)
from ftspec.spec.setting_lists import split_settings

SUMMARY = "show the memory of one GPU, stage by stage and term by term"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    add_format(parser)
    words = "show beside it how it would be, as in parallelism.tensor=4; several settings with commas; repeatable"
    parser.add_argument(
        "--what-if", dest="what_if", metavar="KEY=VALUE[,…]", action="append", default=[], type=_settings, help=words
    )


def _settings(text: str) -> list[str]:
    return [setting(part) for part in split_settings(text)]


def run(arguments: argparse.Namespace) -> int:
    """Print the estimates, whatever the verdict; findings go to standard error. Of what-ifs only a key or a value that
    nothing understands changes the exit code.
    """
    from ftspec.reports.job_report import job_reports, otherwise

    results = check_all(arguments.files, arguments.settings)
    print_findings(results)
    reports, misread = [], False
    for result in results:
        asked = enumerate(arguments.what_if, 1) if result.jobs and result.whole else ()
        what_if = [otherwise(result, arguments.settings, more, number) for number, more in asked]
        misread = misread or not all(each.checked.whole for each in what_if)
        for each in what_if:
            if each.findings:
                print(f"what if {', '.join(each.settings)}, in {result.path}:\n", file=sys.stderr)
                print_each(each.findings, each.checked.texts)
        reports += job_reports(result, what_if)
    if arguments.format == "json":
        from ftspec.reports.memory_json import memory_report

        sys.stdout.write(memory_report(reports))
    else:
        from ftspec.reports.memory_table import print_memory

        print_memory(reports)
        for result in results:
            if not result.jobs or not result.whole:
                print(f"{result.path}: no estimate until its errors are mended; whether it fits is not judged")
    code = exit_code(results)
    return 1 if misread and code != 2 else code
