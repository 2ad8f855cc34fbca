"""The tape: what autograd keeps and makes, on programs small enough to follow by hand."""

import pytest

from ftspec.memory.step.form import ZERO, Form, Point
from ftspec.memory.step.modules import Builder
from ftspec.memory.step.operations import Program
from ftspec.memory.step.setting import Setting
from ftspec.memory.step.tape import Alive, Backward, Value, forward_moments, highest
from tests.memory.plans import plan_of

ONE = Point(1, 1, 1, 1)
ROWS = Form(token=1)


def weight(elements: int, width: int = 2) -> Value:
    return Value(Form(elements), width, "weight", trained=True)


def peak(moments: tuple[Alive, ...], point: Point = ONE) -> int:
    return max(moment.at(point).total for moment in moments)


def test_a_product_keeps_its_input_and_makes_two_gradients() -> None:
    """y = x w, x of 3 and w of 3 × 5, all in 2 bytes: kept 6; backward holds y's 10, w's 30 and x's 6 at once."""
    program = Program(2)
    value = program.product(Value(ROWS * 3, 2), ROWS, weight(15), 5)
    backward = Backward(program.nodes, keeps_gradients=True)
    assert backward.kept.activations.at(ONE) == 6
    moments = backward.run(value)
    assert peak(moments) == 6 + 10 + 30 + 6
    assert backward.produced.at(ONE) == 30


def test_a_frozen_product_keeps_nothing_but_passes_the_gradient_on() -> None:
    program = Program(2)
    frozen = Value(Form(15), 2, "weight", needs_gradient=False)
    value = program.product(Value(ROWS * 3, 2), ROWS, frozen, 5)
    backward = Backward(program.nodes, keeps_gradients=True)
    assert backward.kept.activations.at(ONE) == 0
    assert peak(backward.run(value)) == 10 + 6
    assert backward.produced.at(ONE) == 0


def test_nothing_runs_backward_where_nothing_needs_a_gradient() -> None:
    program = Program(2)
    frozen = Value(Form(15), 2, "weight", needs_gradient=False)
    value = program.product(Value(ROWS * 3, 2, needs_gradient=False), ROWS, frozen, 5)
    assert not value.needs_gradient
    assert Backward(program.nodes, True).kept.activations.at(ONE) == 0


def test_autocast_keeps_a_copy_of_weight_and_input() -> None:
    """fp32 weight and input, products in 2 bytes: copies of 6 and 30 bytes; the weight's gradient is made twice."""
    program = Program(2)
    value = program.product(Value(ROWS * 3, 4), ROWS, weight(15, 4), 5)
    backward = Backward(program.nodes, keeps_gradients=True)
    assert backward.kept.activations.at(ONE) == 6 + 30
    backward.run(value)
    assert backward.produced.at(ONE) == 60


def test_where_gradients_meet_a_third_tensor_is_made() -> None:
    """x + f(x): the residual's gradient and f's meet at x, both alive while their sum is made."""
    program = Program(2)
    first = Value(ROWS * 4, 2)
    value = program.add(first, program.pointwise(first))
    moments = Backward(program.nodes, True).run(value)
    assert peak(moments) == 8 + 8 + 8
    assert Backward(program.nodes, True).kept.activations.at(ONE) == 8


def test_accumulating_gradients_does_not_add_up() -> None:
    """Gradients that are added to existing ones are gone after each product; those that stay add up."""
    program = Program(2)
    value = Value(ROWS * 3, 2)
    for _ in range(4):
        value = program.product(value, ROWS, weight(9), 3)
    kept = Backward(program.nodes, True).run(value)
    gone = Backward(program.nodes, False).run(value)
    assert max(moment.gradients.fixed for moment in kept) == 3 * 18
    assert max(moment.gradients.fixed for moment in gone) == 0


def test_a_split_shares_storage_and_joins_its_gradients() -> None:
    program = Program(2)
    joined = program.pointwise(Value(ROWS * 6, 2))
    left, right = program.split(joined, (ROWS * 3, ROWS * 3))
    value = program.multiply(left, right)
    backward = Backward(program.nodes, True)
    assert backward.kept.activations.at(ONE) == 12 + 12
    backward.run(value)
    assert max(moment.temporary.at(ONE) for moment in backward.memory.moments) == 6 + 6 + 12


def test_the_forward_pass_frees_what_is_not_kept() -> None:
    """Four sums in a row: never more than an input and an output beside what the caller holds."""
    program = Program(2)
    first = value = Value(ROWS * 4, 2)
    for _ in range(4):
        value = program.scale(value)
    assert peak(forward_moments(program.nodes, first)) == 8 + 8


def test_an_argument_lives_until_its_module_returns() -> None:
    program = Program(2)
    first = Value(ROWS * 4, 2)
    argument = program.scale(first)
    program.scale(program.scale(argument))
    without = peak(forward_moments(program.nodes, first))
    program.hold(argument)
    assert peak(forward_moments(program.nodes, first)) == without + 8


def test_a_moment_that_another_covers_is_forgotten() -> None:
    low = Alive(Form(token=1), ZERO, Form(token=1), ZERO)
    high = Alive(Form(token=2), ZERO, Form(token=1), ZERO)
    other = Alive(ZERO, ZERO, Form(pair=1), ZERO)
    assert set(highest([low, high, other, low])) == {high, other}


def test_forms_add_and_evaluate() -> None:
    form = Form(1, 2, 3, 4, 5) + Form(token=1) - Form(1)
    assert form.at(Point(10, 100, 1000, 10000)) == 3 * 10 + 3 * 100 + 4 * 1000 + 5 * 10000
    assert (form * 2).covers(form)
    assert not form.covers(form * 2)


@pytest.mark.parametrize("stage_sequence_parallel", [True, False])
def test_the_layer_of_korthikanti(stage_sequence_parallel: bool) -> None:
    """Korthikanti et al. 2022, equation 4: a layer keeps 34 sbh / t bytes under sequence parallelism, of which 2 are
    dropout masks that today's models have not, and without it 10 - 2 + 24 / t. A plain MLP of 4 h, all heads alike;
    beside it the kernel's fp32 log-sum-exp and the norms' deviations.
    """
    from dataclasses import replace

    from ftspec.memory.step.megatron import layer
    from ftspec.memory.step.setting import Variant

    shape = plan_of().model.shape
    shape = replace(
        shape,
        hidden_size=1024,
        intermediate_size=4096,
        num_attention_heads=16,
        num_key_value_heads=16,
        head_dim=64,
        mlp="plain",
    )
    tensor = 4
    setting = Setting(shape, 2, 2, "flash", tensor, stage_sequence_parallel, megatron=True)
    builder, _, _ = layer(setting, Variant())
    kept = Backward(builder.nodes, False).kept.activations
    tokens = 64
    shards = tokens // tensor if stage_sequence_parallel else tokens
    log_sum_exp, deviations = 4 * 16 // tensor * tokens, 2 * 4 * shards
    expected = 32 / tensor if stage_sequence_parallel else 8 + 24 / tensor
    measured = kept.at(Point(tokens, shards, tokens, tokens**2)) - log_sum_exp - deviations
    assert measured == expected * tokens * 1024


def test_a_4_bit_weight_is_unpacked_for_each_product_and_not_kept() -> None:
    shape = plan_of().model.shape
    plain = Builder(Setting(shape, 2, 2, "flash"), trained=False)
    packed = Builder(Setting(shape, 2, 2, "flash", quantized=True), trained=False)
    peaks = []
    for builder in (plain, packed):
        value = builder.linear("up_proj", Value(ROWS * 8, 2), 8, 16)
        backward = Backward(builder.nodes, True)
        assert backward.kept.activations.at(ONE) == 0
        peaks.append(peak(backward.run(value)))
    assert peaks[1] - peaks[0] == 8 * 16 * 2
