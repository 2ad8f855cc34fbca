"""`ftspec explain CODE|memory.TERM` and `ftspec explain FILE PATH`: what a finding's code means; how a term of memory
is worked out; where a value came from.
"""

import argparse
import sys
import textwrap
from collections.abc import Iterable

from ftspec.checked import Checked
from ftspec.commands.shared_options import add_settings, print_findings
from ftspec.core.rule import Rule, declared_rules
from ftspec.core.suggest import nearest
from ftspec.memory.terms import Term, terms
from ftspec.plan.model import Plan

SUMMARY = "explain a finding's code, a term of memory, or where a value of a spec came from"
_MEMORY = "memory."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    words = "a code, as in FT401 (`all` lists them), or a term, as in memory.activations (`memory` lists them)"
    parser.add_argument("subject", metavar="CODE|memory.TERM|FILE", help=f"{words}; or a spec, with a PATH")
    parser.add_argument(
        "path", metavar="PATH", nargs="?", help="what to explain of the spec: memory.activations, parallelism.tensor, …"
    )
    add_settings(parser)


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
    if arguments.path is not None:
        return _of_file(arguments.subject, arguments.path, arguments.settings)
    if arguments.subject == "memory":
        from ftspec.reports.term_text import term_list

        print(term_list())
        return 0
    if arguments.subject.startswith(_MEMORY):
        return _term(arguments.subject)
    return _rule(arguments.subject)


def _rule(code: str) -> int:
    rules = all_rules()
    if code == "all":
        print(*(f"{rule.code}  {rule.severity:<8} {rule.title}" for rule in rules.values()), sep="\n")
        return 0
    rule = rules.get(code.upper())
    if rule is None:
        return _unknown("code", code, rules, "`ftspec explain all` lists them; to explain a spec's value, add its path")
    print(f"{rule.code} ({rule.severity}): {rule.title}\n\n{textwrap.fill(rule.explanation, 100)}")
    for title, example in (("This is reported:", rule.bad), ("This is not:", rule.good)):
        if example:
            print(f"\n{title}\n\n{textwrap.indent(example.rstrip(), '    ')}")
    return 0


def _unknown(what: str, word: str, known: Iterable[str], listed: str) -> int:
    term = _find_term(word.lower())
    near = f"{_MEMORY}{term.name}" if term else nearest(word, known)
    guess = f"; did you mean {near}?" if near else "."
    print(f"ftspec explain: no {what} {word}{guess} {listed}", file=sys.stderr)
    return 2


def _find_term(path: str) -> Term | None:
    return terms().get(path.removeprefix(_MEMORY))


def _term(path: str) -> int:
    from ftspec.reports.term_text import formula_text, source_text

    term = _find_term(path)
    if term is None:
        return _unknown_term(path)
    inputs = textwrap.fill(", ".join(term.inputs), 100, initial_indent="    ", subsequent_indent="    ")
    print(f"{formula_text(term)}\n{source_text(term)}" + (f"\n\nInputs:\n{inputs}" if inputs else ""))
    return 0


def _unknown_term(path: str) -> int:
    known = [f"{_MEMORY}{name}" for name in terms()]
    return _unknown("term", path, known, "`ftspec explain memory` lists them")


def _of_file(file: str, path: str, settings: list[str]) -> int:
    """What a path of a spec comes to. A spec without a plan has its findings for an answer."""
    from ftspec.pipeline import check_file
    from ftspec.reports.origin_text import known_paths, paths_at

    term = _find_term(path) if path.startswith(_MEMORY) else None
    of_memory, paths = term is not None or path == "memory", paths_at(path)
    if path.startswith(_MEMORY) and term is None:
        return _unknown_term(path)
    if not of_memory and not paths:
        return _unknown("path", path, known_paths(), "paths are those of a spec's fields, as in parallelism.tensor")
    checked = check_file(file, settings)
    if not checked.jobs or (of_memory and not checked.whole):
        print_findings([checked])
        return checked.exit_code or 1
    if of_memory:
        print(_values_of_term(checked, term) if term else _terms_of(checked))
    else:
        print(_origins(checked, paths))
    return 0


def _terms_of(checked: Checked) -> str:
    from ftspec.reports.term_values import values_of_terms

    return "\n\n".join(map(values_of_terms, checked.jobs))


def _values_of_term(checked: Checked, term: Term) -> str:
    from ftspec.reports.term_text import formula_text, source_text
    from ftspec.reports.term_values import term_values

    return "\n".join(
        [formula_text(term), *(term_values(term, job) for job in checked.jobs), source_text(term, checked.plans)]
    )


def _origins(checked: Checked, paths: tuple[str, ...]) -> str:
    """The values with their origins, once where all stacks have the same; of a single one, who uses it."""
    from ftspec.reports.origin_text import derivation_lines, origin_lines, users_of

    def told(plan: Plan) -> str:
        chain = derivation_lines(plan, paths[0]) if len(paths) == 1 else []
        return "\n".join([*origin_lines(plan, paths), *chain])

    said = {job.plan.training.stack: told(job.plan) for job in checked.jobs}
    alike = len(set(said.values())) == 1
    text = next(iter(said.values())) if alike else "\n".join(f"on {stack}:\n{lines}" for stack, lines in said.items())
    users = users_of(paths[0]) if len(paths) == 1 else []
    return text + (f"\nused by {', '.join(users)}" if users else "")
