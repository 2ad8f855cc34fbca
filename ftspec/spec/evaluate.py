"""Evaluation: expressions to values. Total: each value is worked out at most once, on demand, and whatever
is wrong is a finding at its place.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ftspec.core.finding import Finding, Related
from ftspec.core.rule import Rule
from ftspec.core.source import Span
from ftspec.core.suggest import MOST_EXPLAINED, nearest
from ftspec.spec.arithmetic import FUNCTIONS, OperandError, call, combine, negate
from ftspec.spec.body import Body, Collector, Node
from ftspec.spec.evaluation_codes import (
    BAD_CALL,
    BAD_OPERANDS,
    CYCLE,
    DIVISION_BY_ZERO,
    OUT_OF_BOUNDS,
    TAKEN_NAME,
    TOO_DEEP,
    UNKNOWN_NAME,
    UNKNOWN_UNIT,
)
from ftspec.spec.kinds import AUTO
from ftspec.spec.numbers import literal_value
from ftspec.spec.reference import follow
from ftspec.spec.values import FAILED, Word, plain, shortened, shown
from ftspec.syntax.tree import (
    Binary,
    BooleanLiteral,
    Call,
    Conditional,
    Expression,
    ListExpression,
    Missing,
    NumberLiteral,
    Reference,
    StringLiteral,
    Tagged,
    Unary,
)

_MAXIMUM_DEPTH = 100
_DONE, _RUNNING = 2, 1
_ERROR_RULES = {"operands": BAD_OPERANDS, "zero": DIVISION_BY_ZERO, "bounds": OUT_OF_BOUNDS, "call": BAD_CALL}
_ERROR_HELP = {
    "operands": "units are types: 10GB / 2s is 5GB/s, 10GB / 2GB is 5; `and`, `or`, `not` take true and false",
    "call": "`min` and `max` take two or more arguments, `ceil`, `floor` and `round` one",
    "zero": "make the divisor a number other than 0, or guard it: `if n == 0 then … else x / n`",
    "bounds": "check the units and the exponents of what is multiplied",
}
_OUT_OF_BOUNDS_HELP = "write a number that a training job can have; whole numbers have at most 64 bits"


class Evaluation:
    """The evaluation of a document's bodies. Dotted references start at `root`, bare names are of `lets`."""

    def __init__(self, root: Body, lets: Mapping[str, Node], path: str) -> None:
        self.root = root
        self.lets = lets
        self.path = path
        self.findings: list[Finding] = []
        self._running: list[Node] = []

    def report(self, rule: Rule, message: str, span: Span, help: str | None = None) -> Any:
        """Report and give the value of what failed."""
        self.findings.append(rule.finding(message, span, help))
        return FAILED

    def values(self, body: Body) -> dict[str, Any]:
        """The plain values of a body's keys, its tag under `kind`. What failed is left out."""
        values: dict[str, Any] = {}
        if body.tag is not None:
            values["kind"] = Word(body.tag.text)
        for key, node in body.nodes.items():
            if key == "kind" and body.tag is not None:
                message = f"`kind` is said twice: the word `{body.tag.text}` before `{{` is the kind"
                self.report(TAKEN_NAME, message, node.key.span, "leave `kind` out")
                continue
            span = node.key.span if isinstance(node.expression, Body) else node.expression.span
            value = self.plain(self.value(node), span)
            if value is not FAILED:
                values[key] = value
        return values

    def plain(self, value: Any, span: Span) -> Any:
        """The plain value of an evaluated one; beyond 64 bits it is a finding at `span`."""
        result = plain(value)
        if result is FAILED and value is not FAILED:
            return self.report(OUT_OF_BOUNDS, f"{shown(value)} is too large", span, _OUT_OF_BOUNDS_HELP)
        return result

    def value(self, node: Node) -> Any:
        """The value of a key or `let`, worked out the first time."""
        if node.state == _DONE:
            return node.result
        if node.state == _RUNNING:
            return self._cycle(node)
        if len(self._running) >= _MAXIMUM_DEPTH:
            return self._too_deep(node)
        node.state = _RUNNING
        self._running.append(node)
        if isinstance(node.expression, Body):
            node.result = self.values(node.expression)
        else:
            node.result = self.evaluate(node.expression, node.path)
        self._running.pop()
        node.state = _DONE
        return node.result

    def _too_deep(self, node: Node) -> Any:
        """Report the first value of all that needs too many others: each one before it in its chain does too."""
        if any(finding.code == TOO_DEEP.code for finding in self.findings):
            return FAILED
        message = f"the value of `{node.label}` needs more than {_MAXIMUM_DEPTH} others, one after the other"
        return self.report(TOO_DEEP, message, node.key.span, "shorten the chain of names")

    def _cycle(self, node: Node) -> Any:
        start = self._running.index(node)
        loop = [*(each.label for each in self._running[start:]), node.label]
        message = f"`{node.label}` is needed for its own value: {' → '.join(loop)}"
        related = tuple(Related(f"`{each.label}` is here", each.key.span) for each in self._running[start + 1 :])
        help = "give one of them a value that does not need the others"
        self.findings.append(CYCLE.finding(message, node.key.span, help, related=related))
        return FAILED

    def evaluate(self, expression: Expression, path: str | None = None) -> Any:
        """The value of an expression; `path` is the dotted path of the key that it is written for."""
        return _EVALUATORS[type(expression)](self, expression, path)

    def checked(self, calculate: Callable[[], Any], expression: Expression, operands: tuple[Expression, ...]) -> Any:
        """The result of `calculate`, its OperandError as a finding at the operand or the whole expression."""
        try:
            return calculate()
        except OperandError as error:
            guilty = expression if error.culprit is None else operands[error.culprit]
            return self.report(_ERROR_RULES[error.kind], str(error), guilty.span, _ERROR_HELP.get(error.kind))

    def is_bare_text(self, expression: Expression, path: str | None) -> bool:
        """Whether an expression is a name without its quotes, for a field that takes a string; then it is reported."""
        from ftspec.spec.bare_text import bare_text, text_paths

        finding = bare_text(expression, path) if path is not None and path in text_paths() else None
        self.findings += [finding] if finding else []
        return finding is not None

    def unknown_name(self, name: str, span: Span) -> Any:
        """Report a bare word that stands where only a `let` could."""
        meant = nearest(name, self.lets) if len(self.findings) < MOST_EXPLAINED else None
        help = f"did you mean `{meant}`?" if meant else f"define it: `let {name} = …`"
        return self.report(UNKNOWN_NAME, f"there is no `let` named `{name}` here", span, help)


def _number(run: Evaluation, literal: NumberLiteral, path: str | None) -> Any:
    try:
        value = literal_value(literal.digits, literal.unit)
    except KeyError:
        from ftspec.spec.unit_spelling import unit_help

        message = f"`{shortened(literal.unit)}` is not a unit"
        return run.report(UNKNOWN_UNIT, message, literal.span, unit_help(literal, path))
    if value is None:
        return run.report(
            OUT_OF_BOUNDS,
            "this number is outside of 10⁻³⁰ to 10³⁰, or has more than 60 digits",
            literal.span,
            _OUT_OF_BOUNDS_HELP,
        )
    return value


def _literal(run: Evaluation, literal: StringLiteral | BooleanLiteral, path: str | None) -> Any:
    return literal.value


def _missing(run: Evaluation, expression: Missing, path: str | None) -> Any:
    return FAILED


def _reference(run: Evaluation, reference: Reference, path: str | None) -> Any:
    name = reference.parts[0]
    if len(reference.parts) > 1:
        if name not in run.root.nodes and run.is_bare_text(reference, path):
            return FAILED
        return follow(run, reference)
    if name == "auto":
        return AUTO
    if name in run.lets:
        return run.value(run.lets[name])
    return Word(name, run.lets)


def _list(run: Evaluation, expression: ListExpression, path: str | None) -> Any:
    values = [run.plain(run.evaluate(item), item.span) for item in expression.items]
    return FAILED if FAILED in values else values


def _tagged(run: Evaluation, expression: Tagged, path: str | None) -> Any:
    collector = Collector(expression.span.source or run.path, 0, {})
    body = collector.tagged(expression, path, run.root.places)
    run.findings += collector.findings
    return run.values(body)


def _truth(run: Evaluation, expression: Expression, what: str) -> Any:
    value = run.evaluate(expression)
    if value is FAILED or isinstance(value, bool):
        return value
    if type(value) is Word and type(expression) is Reference and len(expression.parts) == 1:
        return run.unknown_name(value, expression.span)
    return run.report(
        BAD_OPERANDS,
        f"{what} needs true or false, and this is {shown(value)}",
        expression.span,
        "compare it, as in `gpus > 8`",
    )


def _unary(run: Evaluation, expression: Unary, path: str | None) -> Any:
    if expression.operator == "not":
        value = _truth(run, expression.operand, "`not`")
        return value if value is FAILED else not value
    value = _operand(run, expression.operand, True)
    return value if value is FAILED else run.checked(lambda: negate(value), expression, (expression.operand,))


def _operand(run: Evaluation, expression: Expression, numeric: bool) -> Any:
    """An operand's value; a word that can only be a misspelt name is a finding."""
    value = run.evaluate(expression)
    if numeric and type(value) is Word and type(expression) is Reference and len(expression.parts) == 1:
        return run.unknown_name(value, expression.span)
    return value


def _binary(run: Evaluation, expression: Binary, path: str | None) -> Any:
    if run.is_bare_text(expression, path):
        return FAILED
    operator, left_side, right_side = expression.operator, expression.left, expression.right
    if operator in ("and", "or"):
        left = _truth(run, left_side, f"`{operator}`")
        if left is FAILED or left == (operator == "or"):
            return left
        return _truth(run, right_side, f"`{operator}`")
    if operator == "/" and type(right_side) is Reference and right_side.text not in run.lets:
        from ftspec.spec.unit_spelling import rate_written_apart

        rate = rate_written_apart(left_side, right_side)
        if rate is not None:
            return _number(run, rate, path)
    numeric = operator not in ("==", "!=")
    left = _operand(run, left_side, numeric)
    right = _operand(run, right_side, numeric)
    if left is FAILED or right is FAILED:
        return FAILED
    return run.checked(lambda: combine(operator, left, right), expression, (left_side, right_side))


def _conditional(run: Evaluation, expression: Conditional, path: str | None) -> Any:
    condition = _truth(run, expression.condition, "the condition of `if`")
    if condition is FAILED:
        return FAILED
    return run.evaluate(expression.then if condition else expression.otherwise, path)


def _call(run: Evaluation, expression: Call, path: str | None) -> Any:
    name = expression.function.text
    if name not in FUNCTIONS:
        meant = nearest(name, FUNCTIONS)
        help = f"did you mean `{meant}`?" if meant else f"the functions are {', '.join(FUNCTIONS)}"
        return run.report(BAD_CALL, f"there is no function `{name}`", expression.function.span, help)
    values = [_operand(run, argument, True) for argument in expression.arguments]
    return FAILED if FAILED in values else run.checked(lambda: call(name, values), expression, expression.arguments)


_EVALUATORS: dict[type[Any], Callable[[Evaluation, Any, str | None], Any]] = {
    NumberLiteral: _number,
    StringLiteral: _literal,
    BooleanLiteral: _literal,
    Reference: _reference,
    ListExpression: _list,
    Tagged: _tagged,
    Unary: _unary,
    Binary: _binary,
    Conditional: _conditional,
    Call: _call,
    Missing: _missing,
}
