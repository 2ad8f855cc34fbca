"""The driver of the parse table: shift and reduce, one node for every named production."""

from typing import Any

from ftspec.syntax.builder import BUILDERS
from ftspec.syntax.table import ParseTable
from ftspec.syntax.token import Token


class Driver:
    """The stack of an LALR(1) automaton.

    `values` holds tokens, nodes and, for unnamed productions (`_body`), lists of both that dissolve into
    their parent. `heights` says how deep each value is, so that nothing too deep to walk is ever built.
    """

    def __init__(self, table: ParseTable) -> None:
        self.table = table
        self.states = [table.start]
        self.values: list[Any] = []
        self.heights: list[int] = []

    def action(self, kind: str) -> int | None:
        """What to do at a token: a state to shift to, a rule to reduce by (negative), or None: an error."""
        return self.table.states[self.states[-1]].get(kind)

    def shift(self, token: Token, state: int) -> None:
        """Take a token."""
        self.states.append(state)
        self.values.append(token)
        self.heights.append(0)

    def reduce(self, number: int) -> int:
        """Replace the parts of a rule by what they make; the height of the tree made."""
        origin, length = self.table.rules[number]
        states, values, heights = self.states, self.values, self.heights
        unnamed = origin[0] == "_"
        if unnamed and length == 1:
            states[-1] = self.table.states[states[-2]][origin]
            return heights[-1]
        keep = len(values) - length
        parts = values[keep:]
        height = max(heights[keep:], default=0)
        del states[keep + 1 :], values[keep:], heights[keep:]
        if list in map(type, parts):
            parts = _dissolved(parts)
        if unnamed:
            values.append(parts)
        else:
            height += 1
            values.append(BUILDERS[origin](parts))
        heights.append(height)
        states.append(self.table.states[states[-1]][origin])
        return height

    def accepts(self, kind: str) -> bool:
        """Whether a terminal may come next, found by trying the states alone."""
        rows, rules, states = self.table.states, self.table.rules, self.states
        kept, tried = len(states), list[int]()
        while True:
            action = rows[tried[-1] if tried else states[kept - 1]].get(kind)
            if action is None or action >= 0:
                return action is not None
            origin, length = rules[-1 - action]
            kept -= max(0, length - len(tried))
            del tried[max(0, len(tried) - length) :]
            goto = rows[tried[-1] if tried else states[kept - 1]][origin]
            if goto == self.table.end:
                return True
            tried.append(goto)

    def in_body(self, state: int) -> bool:
        """Whether a statement may begin in a state of the automaton."""
        return "_statement" in self.table.states[state]

    def unwind(self) -> None:
        """Drop the statement that is half read, so that the next one can begin; a whole one is kept."""
        while self.accepts("NAME") and (action := self.action("NAME")) is not None and action < 0:
            self.reduce(-1 - action)
        keep = next(index for index in range(len(self.states) - 1, -1, -1) if self.in_body(self.states[index]))
        del self.states[keep + 1 :], self.values[keep:], self.heights[keep:]

    def accepted(self) -> bool:
        """Whether the whole text has become one value."""
        return self.states[-1] == self.table.end


def _dissolved(parts: list[Any]) -> list[Any]:
    """Parts with the lists among them spread out. A list at the head is ours alone and grows in place."""
    head = parts[0] if type(parts[0]) is list else [parts[0]]
    for part in parts[1:]:
        if type(part) is list:
            head += part
        else:
            head.append(part)
    return head
