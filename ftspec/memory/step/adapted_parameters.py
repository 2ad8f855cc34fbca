"""Adapters on plain parameters, as PEFT folds them into the weight (peft/tuners/lora/layer.py, `ParamWrapper`).

Around each forward pass the parameter becomes a parametrized one: weight and update are added up in a tensor of the
weight's size, which the product keeps and which gets a gradient of that size.
"""

from ftspec.memory.step.adapted import Wrapped, wrapped
from ftspec.memory.step.form import Form
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import gradient, passed
from ftspec.memory.step.tape import Node, Step, Value

Factors = tuple[Value, Value]


def _parameter(builder: Builder, name: str) -> Wrapped | None:
    adapter = builder.setting.adapter
    if adapter is None or not builder.trained:
        return None
    return wrapped(builder.setting.shape, adapter.targets).get(name)


def _matrices(builder: Builder, parameter: Wrapped, experts: int) -> Factors:
    """A and B of so many experts, as they are held."""
    adapter = builder.setting.adapter
    assert adapter is not None
    rank = adapter.rank * parameter.times * experts
    sizes = (Form(rank * parameter.inputs), Form(rank * parameter.outputs))
    first, second = (Value(size, adapter.width, "weight", trained=True) for size in sizes)
    return first, second


def factors(builder: Builder, name: str, experts: int) -> Factors | None:
    """`get_delta_factors`: B, whose experts lie in its columns, and A, in the weight's type. When a parametrization is
    registered torch runs it once to see that it fits (torch/nn/utils/parametrize.py, `ParametrizationList.__init__`).
    """
    parameter = _parameter(builder, name)
    if parameter is None:
        return None
    held = builder.setting.parameters
    reads, writes = _matrices(builder, parameter, experts)
    writes, reads = builder.cast(builder.view(writes), held), builder.cast(reads, held)
    weight = Value(Form(experts * parameter.inputs * parameter.outputs), held, needs_gradient=False)
    builder.nodes.append(Node((writes, reads), weight, (), ()))
    return writes, reads


def folded(builder: Builder, pair: Factors | None, elements: int) -> Value:
    """`torch.baddbmm(weight, B, A, alpha=scaling)`, or the weight by itself: a factor's gradient is a product that is
    then scaled (tools/autograd/derivatives.yaml, `baddbmm`).
    """
    if pair is None:
        return builder.weight(elements)
    steps: list[Step] = []
    for index, value in enumerate(pair):
        steps += [Step("allocate", value.size), gradient(index), Step("drop", value.size)]
    return builder.record(pair, Value(Form(elements), builder.setting.parameters), pair, *steps)


def adapted_router(builder: Builder) -> Value | None:
    """`get_delta_weight` of one matrix: the product of B and A, scaled, in the weight's type, and added to it."""
    parameter = _parameter(builder, "router")
    if parameter is None:
        return None
    reads, writes = _matrices(builder, parameter, 1)
    adapter, narrow, held = builder.setting.adapter, builder.compute, builder.setting.parameters
    assert adapter is not None
    builder.compute = narrow if builder.setting.autocast else adapter.width
    product = builder.product(writes, writes.elements // adapter.rank, reads, parameter.inputs)
    builder.compute = narrow
    update = builder.cast(builder.scale(product), held)
    return builder.record((update,), Value(update.elements, held), (), passed(0))
