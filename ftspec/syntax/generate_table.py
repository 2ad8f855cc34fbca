"""Make the parse table from the grammar, with lark: `python -m ftspec.syntax.generate_table`.

The form of lark's tables is that of `lark.tools.serialize` (lark 1.2 and later).
"""

import json
from typing import Any

from ftspec.core.resources import resource_path
from ftspec.syntax.table import GRAMMAR_FILE, TABLE_FILE

_REDUCE = 1  # lark.parsers.lalr_analysis.Reduce, as serialised


def table_data(grammar: str) -> dict[str, object]:
    """The JSON form of the table for a grammar's text.

    `terminals` are those with a pattern of their own, in the order in which they are tried; `keywords`
    are words that the name pattern would match too; `literals` say how a fixed terminal is written.
    Raises lark.exceptions.GrammarError if the grammar is not LALR(1).
    """
    from lark import Lark
    from lark.grammar import Rule
    from lark.lexer import PatternStr, TerminalDef

    lark = Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=False, keep_all_tokens=True)
    literals = {t.name: str(t.pattern.value) for t in lark.terminals if isinstance(t.pattern, PatternStr)}
    keywords = {text: name for name, text in literals.items() if text.isidentifier()}
    patterns = [t for t in lark.terminals if literals.get(t.name) not in keywords]
    patterns.sort(key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name))
    data, memo = lark.memo_serialize([TerminalDef, Rule])
    return {
        "grammar": grammar,
        "terminals": [[t.name, t.pattern.to_regexp()] for t in patterns],
        "ignored": sorted(lark.ignore_tokens),
        "keywords": keywords,
        "literals": literals,
        **_automaton(data["parser"]["parser"], memo),
    }


def _automaton(parser: dict[str, Any], memo: dict[str, Any]) -> dict[str, object]:
    """lark's states and rules, with reductions as negative numbers."""
    rule_ids = [memo_id for memo_id, entry in memo.items() if entry["__type__"] == "Rule"]
    rule_number = {memo_id: index for index, memo_id in enumerate(rule_ids)}
    start = parser["start_states"]["start"]
    states = {
        state: {parser["tokens"][token]: entry for token, entry in row.items()}
        for state, row in parser["states"].items()
    }
    number = {state: index for index, state in enumerate(_breadth_first(start, states))}

    def action(kind: int, argument: Any) -> int:
        return -1 - rule_number[argument["@"]] if kind == _REDUCE else number[argument]

    return {
        "rules": [[memo[rule]["origin"]["name"], len(memo[rule]["expansion"])] for rule in rule_ids],
        "states": [{symbol: action(*entry) for symbol, entry in sorted(states[state].items())} for state in number],
        "start": number[start],
        "end": number[parser["end_states"]["start"]],
    }


def _breadth_first(start: int, states: dict[int, dict[str, tuple[int, Any]]]) -> list[int]:
    """The states in an order that depends on the grammar alone (lark's own numbers follow the hash seed)."""
    order = [start]
    seen = {start}
    for state in order:
        for _, (kind, target) in sorted(states[state].items(), key=lambda item: item[0]):
            if kind != _REDUCE and target not in seen:
                seen.add(target)
                order.append(target)
    return order


def render(data: dict[str, object]) -> str:
    """The table file's text: one line for every entry of a long list, so that a change reads well."""
    lines = []
    for key, value in data.items():
        if isinstance(value, list):
            rows = ",\n".join(f"  {json.dumps(row)}" for row in value)
            lines.append(f'"{key}": [\n{rows}\n]')
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Write the table beside the grammar."""
    path = resource_path("grammar", GRAMMAR_FILE)
    path.with_name(TABLE_FILE).write_text(render(table_data(path.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main()
