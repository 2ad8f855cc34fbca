"""Brackets: which closes which, and which one was probably forgotten."""

from ftspec.syntax.token import Token

CLOSING = {"LBRACE": ("RBRACE", "}"), "LSQB": ("RSQB", "]"), "LPAR": ("RPAR", ")")}
"""The closing bracket of an opening one: kind and text."""

OPENING = {closing: opening for opening, (closing, _) in CLOSING.items()}
"""The opening bracket's kind of a closing one's."""


def indentations(tokens: list[Token]) -> dict[int, int]:
    """The column of the first token of each line."""
    columns: dict[int, int] = {}
    for token in tokens:
        columns.setdefault(token.span.line, token.span.column)
    return columns


def suspect(tokens: list[Token]) -> Token | None:
    """The first `{` whose `}` begins a line with another indentation than the line of the `{`.

    Where a closing brace is left out, the blocks around it are closed by braces that were meant for
    others, and what gives that away is how they are indented.
    """
    columns = indentations(tokens)
    stack: list[Token] = []
    for token in tokens:
        line, column = token.span[:2]
        if token.kind == "LBRACE":
            stack.append(token)
        elif token.kind == "RBRACE" and stack:
            opening = stack.pop()
            begins_line = columns[line] == column and line > opening.span.line
            if begins_line and columns[opening.span.line] != column:
                return opening
    return None
