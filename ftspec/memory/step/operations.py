"""Operations as torch runs them: what each keeps for its backward (tools/autograd/derivatives.yaml) and what its
backward allocates on the way (torch/csrc/autograd/FunctionsManual.cpp).
"""

from ftspec.memory.step.form import ZERO, Form
from ftspec.memory.step.tape import Node, Role, Step, Value

FP32 = 4
INDEX = 8


def gradient(index: int) -> Step:
    """Make the gradient of an input."""
    return Step("gradient", which=index)


def passed(index: int) -> Step:
    """Pass the incoming gradient on to an input."""
    return Step("pass", which=index)


class Program:
    """A stretch of the model being written down as a tape.

    `compute` is the width in bytes of matrix products; under autocast weights and inputs of another width are cast.
    `several`: the heads of a micro-batch do not lie one after another.
    """

    def __init__(self, compute: int, several: bool = False) -> None:
        self.compute, self.several = compute, several
        self.nodes: list[Node] = []

    def record(self, inputs: tuple[Value, ...], output: Value, saved: tuple[Value, ...], *steps: Step) -> Value:
        """Add a node; one that needs no gradient keeps nothing."""
        output.needs_gradient = any(value.needs_gradient for value in inputs)
        self.nodes.append(Node(inputs, output, saved if output.needs_gradient else (), steps))
        return output

    def hold(self, value: Value) -> None:
        """A module's argument lives until the module returns."""
        self.nodes.append(Node((value,), Value(ZERO, 0, needs_gradient=False), (), ()))

    def cast(self, value: Value, width: int) -> Value:
        """`_to_copy`: nothing is kept."""
        if value.width == width:
            return value
        return self.record((value,), Value(value.elements, width, _role(value)), (), gradient(0))

    def view(self, value: Value) -> Value:
        """A transposed view whose gradient has to be laid out anew before a matrix product (`clone` in backward)."""
        return self.record((value,), Value(value.elements, value.width, view_of=value), (), gradient(0))

    def split(self, value: Value, parts: tuple[Form, ...]) -> tuple[Value, ...]:
        """`split` into views; its backward joins the gradients (`cat`)."""
        views = tuple(Value(part, value.width, view_of=value) for part in parts)
        for view in views:
            view.needs_gradient = value.needs_gradient
        self.nodes.append(Node((value,), views[0], (), (gradient(0),), views[1:]))
        return views

    def contiguous(self, value: Value) -> Value:
        """`.contiguous()` of a transposed tensor: a copy whose gradient is a view."""
        return self.record((value,), Value(value.elements, value.width), (), passed(0))

    def add(self, left: Value, right: Value) -> Value:
        """`add`: the gradient is passed on, cast where an input is narrower."""
        width = max(left.width, right.width)
        steps = [passed(i) if value.width == width else gradient(i) for i, value in enumerate((left, right))]
        return self.record((left, right), Value(left.elements, width), (), *steps)

    def scale(self, value: Value) -> Value:
        """`mul` by a number: nothing is kept."""
        return self.record((value,), Value(value.elements, value.width), (), gradient(0))

    def dropout(self, value: Value) -> Value:
        """`native_dropout`: the mask is kept, as wide as the tensor on the CPU (one byte an element on a GPU)."""
        mask = Value(value.elements, value.width)
        return self.record((value,), Value(value.elements, value.width), (mask,), gradient(0))

    def softmax(self, value: Value) -> Value:
        """`_softmax`: its output is kept."""
        output = Value(value.elements, value.width, _role(value))
        return self.record((value,), output, (output,), gradient(0))

    def multiply(self, left: Value, right: Value) -> Value:
        """`mul` of two tensors of one shape: each is kept for the other's gradient."""
        saved = (*((right,) if left.needs_gradient else ()), *((left,) if right.needs_gradient else ()))
        return self.record(
            (left, right), Value(left.elements, max(left.width, right.width)), saved, gradient(0), gradient(1)
        )

    def pointwise(self, value: Value) -> Value:
        """An activation function in one kernel (silu, gelu, relu): its input is kept."""
        return self.record((value,), Value(value.elements, value.width), (value,), gradient(0))

    def product(
        self,
        value: Value,
        rows: Form,
        weight: Value,
        outputs: int,
        bias: Value | None = None,
        unpacked: Form | None = None,
    ) -> Value:
        """`mm` or `addmm`: the input is kept if the weight is trained, the weight if the input needs a gradient.

        A 4-bit weight is `unpacked` for each product and not kept (bitsandbytes/autograd/_functions.py, `MatMul4Bit`).
        """
        operand = self.cast(value, self.compute)
        matrix = weight if unpacked is not None else self.cast(weight, self.compute)
        saved = (*((operand,) if matrix.needs_gradient else ()), *((matrix,) if operand.needs_gradient else ()))
        inputs = (operand, matrix) if bias is None else (operand, matrix, self.cast(bias, self.compute))
        steps = (gradient(1), gradient(0), *(() if bias is None else (gradient(2),)))
        if unpacked is not None:
            steps = (Step("allocate", unpacked), *steps)
            whole = Value(unpacked, 1, needs_gradient=False)
            self.nodes.append(Node((weight,), whole, (), ()))
            inputs = (*inputs, whole)
        return self.record(inputs, Value(rows * outputs, self.compute), saved, *steps)

    def broadcast_multiply(self, large: Value, small: Value) -> Value:
        """`mul` with a broadcast factor: the factor's gradient is a full-size product that is then summed."""
        saved = (*((small,) if large.needs_gradient else ()), *((large,) if small.needs_gradient else ()))
        width = max(large.width, small.width)
        product = large.elements * width
        narrow = large.width < width and large.needs_gradient
        steps = [Step("allocate", product)] if narrow else []
        steps.append(gradient(0))
        if small.needs_gradient:
            steps += [Step("allocate", product), gradient(1), Step("drop", product)]
        return self.record((large, small), Value(large.elements, width), saved, *steps)

    def rearrange(self, value: Value, elements: Form, indices: Form) -> Value:
        """Indexing by rows: the indices are kept; the backward puts the gradient into zeros, in a second tensor."""
        kept = Value(indices, INDEX)
        return self.record((value,), Value(elements, value.width), (kept,), Step("allocate", value.size), gradient(0))


def _role(value: Value) -> Role:
    return "activation" if value.role == "weight" else value.role
