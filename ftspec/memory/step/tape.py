"""A tape of operations, and what is alive while autograd runs over it.

The rules are those of torch's autograd engine (torch/csrc/autograd/engine.cpp and input_buffer.cpp): nodes run in
reverse order of creation; a node's saved tensors and its incoming gradient are released when it has run; where two
gradients meet, a third tensor takes their sum; a parameter's gradient goes to the parameter at once.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property, reduce
from typing import Literal, NamedTuple

from ftspec.core.record import record
from ftspec.memory.numbers import largest
from ftspec.memory.step.form import ZERO, Form, Point

Role = Literal["activation", "logits", "weight", "constant"]
"""Whose bytes a value's are: weights are counted with the states, constants by whoever made them."""


class Value:
    """A tensor of the forward pass. A view shares the storage of the value that it looks into."""

    __slots__ = ("elements", "needs_gradient", "role", "storage", "trained", "width")

    def __init__(
        self,
        elements: Form,
        width: int,
        role: Role = "activation",
        needs_gradient: bool = True,
        trained: bool = False,
        view_of: "Value | None" = None,
    ) -> None:
        self.elements, self.width, self.role = elements, width, role
        self.needs_gradient, self.trained = needs_gradient, trained
        self.storage: Value = self if view_of is None else view_of.storage

    @property
    def size(self) -> Form:
        """Bytes."""
        return self.elements * self.width


@record
class Step:
    """One event inside a node's backward: allocate or drop a temporary of `size`, make the gradient of input `which`,
    take a saved tensor as its gradient, pass the incoming gradient on to it, or release the incoming gradient early.
    """

    kind: Literal["allocate", "drop", "gradient", "take", "pass", "release"]
    size: Form = ZERO
    which: int = 0


@record
class Node:
    """One differentiable operation. A split has `others` beside its first output; their gradients come in together."""

    inputs: tuple[Value, ...]
    output: Value
    saved: tuple[Value, ...]
    steps: tuple[Step, ...]
    others: tuple[Value, ...] = ()


@record
class Alive:
    """Bytes alive at one moment: kept for the backward pass, logits and what is made of them, what comes and goes
    (gradients of activations included), and gradients of parameters.
    """

    activations: Form
    logits: Form
    temporary: Form
    gradients: Form

    @property
    def without_gradients(self) -> Form:
        """All but the parameters' gradients."""
        return self.activations + self.logits + self.temporary

    @cached_property
    def total(self) -> Form:
        """Everything."""
        return self.without_gradients + self.gradients

    def with_temporary(self, size: Form) -> "Alive":
        """The moment with more temporary bytes."""
        return Alive(self.activations, self.logits, self.temporary + size, self.gradients)

    def at(self, point: Point) -> "Bytes":
        """The moment for one micro-batch."""
        return Bytes(
            self.activations.at(point), self.logits.at(point), self.temporary.at(point), self.gradients.at(point)
        )


class Bytes(NamedTuple):
    """A moment's bytes for one micro-batch."""

    activations: int
    logits: int
    temporary: int
    gradients: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.activations + self.logits + self.temporary + self.gradients


def _total(moment: Bytes) -> int:
    return moment.total


def peak_at(moments: tuple[Alive, ...], point: Point) -> Bytes | None:
    """The highest of some moments for one micro-batch. In a batch its total alone, whoever's bytes they are."""
    if not moments:
        return None
    if isinstance(point.tokens, int):
        return max([moment.at(point) for moment in moments], key=_total)
    totals = [moment.total.at(point) for moment in moments]
    return Bytes(reduce(largest, totals), 0, 0, 0)


def highest(moments: Iterable[Alive]) -> tuple[Alive, ...]:
    """The moments that no other moment covers: whatever the micro-batch, the peak is among them."""
    kept: list[Alive] = []
    for moment in moments:
        total = moment.without_gradients
        if any(k.without_gradients.covers(total) and k.gradients.covers(moment.gradients) for k in kept):
            continue
        kept = [k for k in kept if not (total.covers(k.without_gradients) and moment.gradients.covers(k.gradients))]
        kept.append(moment)
    return tuple(kept)


class Gradient:
    """A gradient tensor; nodes may share it."""

    __slots__ = ("holders", "size")

    def __init__(self, size: Form) -> None:
        self.size, self.holders = size, 0


class Memory:
    """The running account of one pass."""

    def __init__(self, saved: dict[Role, Form]) -> None:
        self.saved = saved
        self.temporary = ZERO
        self.gradients = ZERO
        self.moments: list[Alive] = []

    def allocate(self, size: Form) -> None:
        """Take memory, and remember the moment."""
        self.temporary = self.temporary + size
        self.note()

    def note(self) -> None:
        """Remember the moment."""
        self.moments.append(Alive(self.saved["activation"], self.saved["logits"], self.temporary, self.gradients))

    def drop(self, size: Form) -> None:
        """Give memory back."""
        self.temporary = self.temporary - size

    def release(self, gradient: Gradient) -> None:
        """One holder of a gradient lets go."""
        gradient.holders -= 1
        if gradient.holders == 0:
            self.drop(gradient.size)


class Backward:
    """The backward pass over a tape of nodes.

    `keeps_gradients`: the gradients of parameters stay (first micro-batch); otherwise each is added to a gradient
    that exists already and is gone at once.
    """

    def __init__(self, nodes: Sequence[Node], keeps_gradients: bool) -> None:
        self.nodes, self.keeps_gradients = nodes, keeps_gradients
        self.savers: dict[Value, int] = {}
        for node in nodes:
            for value in node.saved:
                self.savers[value.storage] = self.savers.get(value.storage, 0) + 1
        self.memory = Memory({"activation": ZERO, "logits": ZERO})
        for value in self.savers:
            if value.role in self.memory.saved:
                self.memory.saved[value.role] = self.memory.saved[value.role] + value.size
        self.kept = Alive(self.memory.saved["activation"], self.memory.saved["logits"], ZERO, ZERO)
        self.pending: dict[Value, Gradient] = {}
        self.produced = ZERO
        """Bytes of parameters' gradients that the pass has made."""
        self.before_saved: Form | None = None
        """Temporary bytes when the first kept tensor is asked for: then a checkpoint recomputes."""

    def run(self, seed: Value) -> tuple[Alive, ...]:
        """The highest moments, given that the gradient of `seed` (the last output) exists."""
        first = Gradient(seed.size)
        first.holders = 1
        self.memory.allocate(first.size)
        self.pending[seed] = first
        for node in reversed(self.nodes):
            arrived = [self.pending.pop(output, None) for output in (node.output, *node.others)]
            incoming = [gradient for gradient in arrived if gradient is not None]
            if incoming:
                if node.saved and self.before_saved is None:
                    self.before_saved = self.memory.temporary
                self._run_node(node, incoming[0])
                for gradient in incoming[1:]:
                    self.memory.release(gradient)
        return highest(self.memory.moments)

    def _run_node(self, node: Node, incoming: Gradient) -> None:
        made: list[tuple[Value, Gradient]] = []
        temporary, released = ZERO, False
        for step in node.steps:
            if step.kind == "allocate":
                self.memory.allocate(step.size)
                temporary = temporary + step.size
            elif step.kind == "drop":
                self.memory.drop(step.size)
                temporary = temporary - step.size
            elif step.kind == "release":
                self.memory.release(incoming)
                released = True
            elif node.inputs[step.which].needs_gradient:
                made.append((node.inputs[step.which], self._gradient(node.inputs[step.which], step, incoming)))
        self.memory.drop(temporary)
        self._forget(node)
        if not released:
            self.memory.release(incoming)
        for value, gradient in made:
            self._hand_over(value, gradient)

    def _gradient(self, value: Value, step: Step, incoming: Gradient) -> Gradient:
        if step.kind == "pass":
            incoming.holders += 1
            return incoming
        gradient = Gradient(value.size)
        gradient.holders = 1
        if step.kind == "take":
            self.memory.temporary = self.memory.temporary + gradient.size
        else:
            self.memory.allocate(gradient.size)
        return gradient

    def _forget(self, node: Node) -> None:
        for value in node.saved:
            storage = value.storage
            self.savers[storage] -= 1
            if self.savers[storage] == 0 and storage.role in self.memory.saved:
                self.memory.saved[storage.role] = self.memory.saved[storage.role] - storage.size

    def _hand_over(self, value: Value, gradient: Gradient) -> None:
        if value.trained:
            self.memory.drop(gradient.size)
            self.produced = self.produced + gradient.size
            if self.keeps_gradients:
                self.memory.gradients = self.memory.gradients + gradient.size
            return
        earlier = self.pending.get(value)
        if earlier is None:
            self.pending[value] = gradient
            return
        total = Gradient(value.size)
        total.holders = 1
        self.memory.allocate(total.size)
        self.memory.release(earlier)
        self.memory.release(gradient)
        self.pending[value] = total


def forward_moments(nodes: Sequence[Node], first: Value, until_last_saved: bool = False) -> tuple[Alive, ...]:
    """The highest moments of a forward pass over a tape, from `first` on (whose own bytes are the caller's): what is
    kept stays, everything else lives until its last use.

    `until_last_saved`: a checkpoint's recomputation stops when the last kept tensor is there
    (torch/utils/checkpoint.py, `_StopRecomputationError`), which is before that operation makes anything else.
    """
    end = 1 + max((i for i, node in enumerate(nodes) if node.saved), default=-1) if until_last_saved else len(nodes)
    kept = {value.storage for node in nodes for value in node.saved}
    last_use = {value.storage: index for index, node in enumerate(nodes) for value in (*node.inputs, node.output)}
    memory = Memory({"activation": ZERO, "logits": ZERO})
    seen = {first.storage}
    for index, node in enumerate(nodes[:end]):
        stops = until_last_saved and index == end - 1
        results = node.saved if stops else (*node.saved, node.output)
        made = [v.storage for v in results if v.storage.role in memory.saved]
        for value in dict.fromkeys(v for v in made if v not in seen):
            seen.add(value)
            if value in kept:
                memory.saved[value.role] = memory.saved[value.role] + value.size
            else:
                memory.temporary = memory.temporary + value.size
        memory.note()
        for value in dict.fromkeys(v.storage for v in (*node.inputs, node.output)):
            if value in seen and value not in kept and last_use[value] == index and value is not first.storage:
                memory.drop(value.size)
    return highest(memory.moments)
