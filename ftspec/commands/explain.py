"""`ftspec explain CODE`: what a finding's code means, with an example that breaks it and one that does not."""

import argparse
import sys
import textwrap

from ftspec.core.rule import Rule, declared_rules
from ftspec.core.suggest import nearest

SUMMARY = "explain a finding's code"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("code", metavar="CODE", help="as in FT401; `all` lists every code")


def all_rules() -> dict[str, Rule]:
    """Every code that ftspec can report, by code."""
    from ftspec import pipeline
    from ftspec.backends.registry import backend_names, find_backend

    assert pipeline  # importing it declares everything but the targets' own codes
    for name in backend_names():
        find_backend(name)
    return declared_rules()


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    rules = all_rules()
    if arguments.code == "all":
        print(*(f"{rule.code}  {rule.severity:<8} {rule.title}" for rule in rules.values()), sep="\n")
        return 0
    rule = rules.get(arguments.code.upper())
    if rule is None:
        near = nearest(arguments.code, rules)
        guess = f"; did you mean {near}?" if near else "."
        print(f"ftspec explain: no code {arguments.code}{guess} `ftspec explain all` lists them", file=sys.stderr)
        return 2
    print(f"{rule.code} ({rule.severity}): {rule.title}\n\n{textwrap.fill(rule.explanation, 100)}")
    for title, example in (("This is reported:", rule.bad), ("This is not:", rule.good)):
        if example:
            print(f"\n{title}\n\n{textwrap.indent(example.rstrip(), '    ')}")
    return 0
