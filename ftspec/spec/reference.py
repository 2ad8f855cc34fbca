"""References: dotted paths to keys of the document."""

from typing import TYPE_CHECKING, Any

from ftspec.core.suggest import MOST_EXPLAINED, nearest
from ftspec.core.units import Dimension, Quantity
from ftspec.spec.body import Body, Node
from ftspec.spec.evaluation_codes import NOT_KNOWN_YET, UNKNOWN_NAME
from ftspec.spec.kinds import AUTO
from ftspec.spec.values import FAILED, Exact, Word
from ftspec.syntax.tree import Reference

if TYPE_CHECKING:
    from ftspec.spec.evaluate import Evaluation

GPUS = ("hardware", "gpus")
"""The one reference to something that is no key: nodes × gpus_per_node."""


def follow(run: "Evaluation", reference: Reference) -> Any:
    """The value of `parallelism.tensor`: what the file says there."""
    if reference.parts == GPUS and "gpus" not in _keys(run.root.nodes.get("hardware")):
        return _gpus(run, reference)
    value: Any = None
    body: Body | None = run.root
    for part in reference.parts:
        if body is not None:
            node = body.nodes.get(part)
            if node is None and part == "kind" and body.tag is not None:
                value, body = Word(body.tag.text), None
                continue
            if node is None:
                return _unknown(run, reference)
            body = node.expression if type(node.expression) is Body else None
            value = node if body is not None else run.value(node)
        else:
            value = value.get(part, FAILED) if isinstance(value, dict) else None
            if value is FAILED:
                return _unknown(run, reference)
        if value is FAILED:
            return FAILED
        if value is None:
            return _unknown(run, reference)
    value = run.value(value) if isinstance(value, Node) else value
    if value is AUTO:
        message = f"`{reference.text}` is `auto`: its value is decided after this expression is needed"
        return run.report(
            NOT_KNOWN_YET, message, reference.span, f"write a number for `{reference.text}`, or use a `let` for both"
        )
    return _exact(value)


def _keys(node: Node | None) -> dict[str, Node]:
    return node.expression.nodes if node is not None and type(node.expression) is Body else {}


def _gpus(run: "Evaluation", reference: Reference) -> Any:
    """`hardware.gpus`, where nodes and gpus_per_node are written."""
    product = 1
    for key in ("nodes", "gpus_per_node"):
        part = follow(run, Reference(("hardware", key), reference.span))
        if not isinstance(part, Exact):
            return FAILED
        product *= part.number  # type: ignore[assignment]
    return Exact(product, Dimension.NUMBER)


def _exact(value: Any) -> Any:
    """A plain value as evaluation holds it."""
    if isinstance(value, Quantity):
        return Exact(_whole_or_fraction(value.number), value.dimension)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Exact(_whole_or_fraction(value), Dimension.NUMBER)
    return value


def _whole_or_fraction(number: int | float) -> Any:
    from fractions import Fraction

    return number if isinstance(number, int) else Fraction(number)


def _written_paths(body: Body, prefix: str) -> list[str]:
    paths: list[str] = []
    for key, node in body.nodes.items():
        path = f"{prefix}{key}"
        paths += _written_paths(node.expression, path + ".") if type(node.expression) is Body else [path]
    return paths


def _meant(text: str, paths: list[str]) -> str | None:
    """The path that was meant: of the same block if the block is there, for a common beginning says nothing."""
    block, _, key = text.rpartition(".")
    keys = {each.rpartition(".")[2]: each for each in paths if each.rpartition(".")[0] == block}
    meant = nearest(key, keys)
    return keys[meant] if meant else nearest(text, paths) if not keys else None


def _unknown(run: "Evaluation", reference: Reference) -> Any:
    from ftspec.spec.fields import spec_paths

    text = reference.text
    if text in spec_paths():
        message = f"`{text}` is not written in this file, so it has no value yet"
        return run.report(
            NOT_KNOWN_YET,
            message,
            reference.span,
            f"write `{reference.parts[-1]}` in `{'.'.join(reference.parts[:-1])}`, or a number here",
        )
    meant = None
    if len(run.findings) < MOST_EXPLAINED:
        meant = _meant(text, [*_written_paths(run.root, ""), *spec_paths(), ".".join(GPUS)])
    help = (
        f"did you mean `{meant}`?" if meant else "a dotted path names a key of this file, such as `parallelism.tensor`"
    )
    return run.report(UNKNOWN_NAME, f"there is no `{text}`", reference.span, help)
