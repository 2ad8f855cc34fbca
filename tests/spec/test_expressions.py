"""Expressions: what they come to, and where what is wrong with them is reported."""

import pytest

from ftspec.core.units import Dimension, Quantity
from ftspec.spec.values import Word
from tests.spec.lowering import clean, lowered, only, pointed_at


def value_of(expression: str, lets: str = ""):
    """The plain value of an expression; a target's raw block takes every type."""
    return clean(f"{lets}\ntarget any {{ raw {{ x = {expression} }} }}").targets[0].raw["x"]


BYTES, RATE, SECONDS = Dimension.BYTES, Dimension.BYTES_PER_SECOND, Dimension.SECONDS


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("7 % 4", 3),
        ("-7 % 4", 1),
        ("8 / 2", 4),
        ("1 / 8", 0.125),
        ("0.1 + 0.2", 0.3),
        ("1 / 3 * 3", 1),
        ("2 - 3 - 4", -5),
        ("100 / 10 / 5", 2),
        ("-(-3)", 3),
        ("4k", 4000),
        ("4Ki", 4096),
        ("1B", 10**9),
        ("0.5Ki", 512),
        ("1e-5", 1e-5),
        ("2.5e3", 2500),
        ("0e999", 0),
        ("80GB", Quantity(80 * 10**9, BYTES)),
        ("80GiB", Quantity(80 * 2**30, BYTES)),
        ("0.1GiB * 10", Quantity(2**30, BYTES)),
        ("80GB / 8", Quantity(10**10, BYTES)),
        ("80GB / 8GB", 10),
        ("80GB % 30GB", Quantity(20 * 10**9, BYTES)),
        ("10GB / 2s", Quantity(5 * 10**9, RATE)),
        ("10GB / 5GB/s", Quantity(2, SECONDS)),
        ("400Gbps - 50GB/s", Quantity(0, RATE)),
        ("10GB/s * 1min", Quantity(600 * 10**9, BYTES)),
        ("2h * 10GB/s", Quantity(72000 * 10**9, BYTES)),
        ("1h + 30min", Quantity(5400, SECONDS)),
        ("2USD * 3", Quantity(6, Dimension.DOLLARS)),
        ("min(3, 1, 2)", 1),
        ("max(1GB, 1GiB)", Quantity(2**30, BYTES)),
        ("ceil(7 / 2)", 4),
        ("floor(7 / 2)", 3),
        ("round(7 / 2)", 4),
        ("round(5 / 2)", 2),
        ("ceil(-7 / 2)", -3),
        ("1 < 2", True),
        ("1GB >= 1GiB", False),
        ("1Ki == 1024", True),
        ("1 != 1", False),
        ("true and false", False),
        ("true or 1 / 0 == 1", True),
        ("false and 1 / 0 == 1", False),
        ("not (1 > 2) and true", True),
        ("if 2 > 1 then 10 else 1 / 0", 10),
        ("if false then 1GB else 2s", Quantity(2, SECONDS)),
        ("if false then a else b", "b"),
        ('"a" == "a"', True),
        ("flash == flash", True),
        ("auto", "auto"),
        ('["q_proj", v_proj, 1 + 1]', ["q_proj", "v_proj", 2]),
        ("{ a = 1 }", {"a": 1}),
        ("lora { rank = 2 * 8 }", {"kind": "lora", "rank": 16}),
        ("if true then lora { rank = 4 } else full", {"kind": "lora", "rank": 4}),
    ],
)
def test_value(expression: str, expected) -> None:
    value = value_of(expression)
    assert value == expected
    assert type(value) is type(expected) or isinstance(value, Word)


def test_a_sum_of_awkward_fractions_stays_fast_and_close() -> None:
    terms = [f"1 / {2 * index + 1}" for index in range(45)]
    names = "\n".join(f"let s{index} = {term} {f'+ s{index - 1}' if index else ''}" for index, term in enumerate(terms))
    assert value_of("s44", names) == pytest.approx(sum(1 / (2 * index + 1) for index in range(45)), rel=1e-15)


def test_lets_in_any_order() -> None:
    document = clean("let b = a * 2\ntraining { global_batch_size = b  micro_batch_size = a }\nlet a = 8")
    assert document.spec.training.global_batch_size == 16
    assert document.spec.training.micro_batch_size == 8


def test_a_let_may_hold_a_block() -> None:
    document = clean("let adapters = lora { rank = 8 }\ntraining { method = adapters }")
    assert document.spec.training.method.rank == 8


def test_a_let_comes_before_a_word_of_the_same_name() -> None:
    assert clean("let chosen = bf16\nprecision { compute = chosen }").spec.precision.compute == "bf16"
    assert clean("let bf16 = fp16\nprecision { compute = bf16 }").spec.precision.compute == "fp16"


def test_references_to_fields() -> None:
    document = clean(
        "hardware { nodes = 4  gpus_per_node = 8 }\n"
        "training { optimizer = adamw { learning_rate = 1e-5 }  method = lora { rank = 8 }\n"
        "  global_batch_size = parallelism.data * 4\n"
        "  learning_rate_scheduler = cosine { minimum_learning_rate = training.optimizer.learning_rate / 10 } }\n"
        "parallelism { data = hardware.gpus / parallelism.tensor  tensor = 8\n"
        "  zero_stage = if training.method == lora and training.optimizer.kind == adamw then 1 else 0 }"
    )
    assert document.spec.parallelism.data == 4
    assert document.spec.parallelism.zero_stage == 1
    assert document.spec.training.global_batch_size == 16
    assert document.spec.training.learning_rate_scheduler.minimum_learning_rate == 1e-6


def test_references_through_a_value_that_is_chosen() -> None:
    text = "training { method = if true then lora { rank = 8 } else full  seed = training.method.rank  }"
    assert clean(text).spec.training.seed == 8
    assert "training.method.rank" in clean(text).places


@pytest.mark.parametrize(
    ("expression", "code", "where", "help"),
    [
        ("10GB + 1s", "FT103", "10GB + 1s", "units are types"),
        ("10GB < 3", "FT103", "10GB < 3", "units are types"),
        ("10GB * 1GB", "FT103", "10GB * 1GB", "units"),
        ("1 / 1s", "FT103", "1 / 1s", "units"),
        ("1 + true", "FT103", "true", "units"),
        ('"a" + "b"', "FT103", '"a"', "units"),
        ("-true", "FT103", "true", "units"),
        ("[1] < 2", "FT103", "[1]", "units"),
        ("1 == true", "FT103", "1 == true", "units"),
        ("max(1, 1GB)", "FT103", "max(1, 1GB)", "units"),
        ("if 1 then 2 else 3", "FT103", "1", "compare it"),
        ("not 1", "FT103", "1", "compare"),
        ("true and 1", "FT103", "1", "compare"),
        ("gpsu * 2", "FT101", "gpsu", "did you mean `gpus`?"),
        ("2 * missing", "FT101", "missing", "let missing"),
        ("if gpsu then 1 else 2", "FT101", "gpsu", "gpus"),
        ("max(gpsu, 1)", "FT101", "gpsu", "gpus"),
        ("parallelism.tensr", "FT101", "parallelism.tensr", "parallelism.tensor"),
        ("parallelism.context", "FT108", "parallelism.context", "write `context` in `parallelism`"),
        ("parallelism.data + 1", "FT108", "parallelism.data", "let"),
        ("hardware.gpus", "FT108", "hardware.gpus", "hardware"),
        ("1 / 0", "FT104", "1 / 0", "divisor"),
        ("1 % (gpus - 8)", "FT104", "1 % (gpus - 8)", "divisor"),
        ("1e999", "FT105", "1e999", "64 bits"),
        ("1e-999999999999", "FT105", "1e-999999999999", "64 bits"),
        ("9" * 5000, "FT105", "9" * 5000, "64 bits"),
        ("1e20", "FT105", "x", "64 bits"),
        ("9223372036854775807 + 1", "FT105", "x", "64 bits"),
        ("1e29 * 1e29", "FT105", "1e29 * 1e29", "exponents"),
        ("1e-29 * 1e-29", "FT105", "1e-29 * 1e-29", "exponents"),
        ("80gb", "FT106", "80gb", "did you mean `80GB` or `80Gbps`?"),
        ("30m", "FT106", "30m", "`30min`"),
        ("4K", "FT106", "4K", "did you mean `4k` or `4kB`?"),
        ("10GB/sec", "FT106", "10GB/sec", "did you mean `10GB/s`?"),
        ("80GB/gpsu", "FT101", "gpsu", "did you mean `gpus`?"),
        ("3parsec", "FT106", "3parsec", "72h"),
        ("maxi(1, 2)", "FT107", "maxi", "did you mean `max`?"),
        ("sin(1)", "FT107", "sin", "min, max"),
        ("max(1)", "FT107", "max(1)", "two or more"),
        ("ceil(1, 2)", "FT107", "ceil(1, 2)", "`round` one"),
    ],
)
def test_mistake(expression: str, code: str, where: str, help: str) -> None:
    text = (
        f"let gpus = 8\nparallelism {{ tensor = 8  data = auto }}\nlet x = {expression}\ntarget t {{ raw {{ x = x }} }}"
    )
    finding = only(text)
    assert finding.code == code
    assert pointed_at(finding, text) == where
    assert help in (finding.help or "")


def test_largest_whole_number_is_kept() -> None:
    assert value_of("9223372036854775807") == 2**63 - 1
    assert value_of("-9223372036854775807") == -(2**63) + 1


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("let a = a", "a → a"),
        ("let a = b + 1\nlet b = c\nlet c = a * 2", "a → b → c → a"),
        (
            "parallelism { tensor = parallelism.pipeline  pipeline = parallelism.tensor }",
            "parallelism.tensor → parallelism.pipeline",
        ),
    ],
)
def test_a_cycle_shows_its_loop_once(text: str, loop: str) -> None:
    finding = only(text)
    assert finding.code == "FT102"
    assert loop in finding.message
    assert len(finding.related) == finding.message.count("→") - 1


def test_one_mistake_in_a_let_is_reported_once() -> None:
    text = "let a = 1 / 0\nlet b = a + 1\ntraining { seed = b  steps = a * b }"
    assert only(text).code == "FT104"


def test_a_long_chain_of_lets_is_a_finding() -> None:
    chain = "\n".join(f"let a{step} = a{step + 1} + 1" for step in range(3000))
    assert only(f"{chain}\nlet a3000 = 1").code == "FT109"


@pytest.mark.parametrize("mistake", ["let b{} = {} + nmae{}", "key{} = {}", "let c{} = prallelism.tensor{} + {}"])
def test_of_thousands_of_mistakes_the_first_ones_are_explained(mistake: str) -> None:
    names = "\n".join(f"let name{step} = {step}" for step in range(3000))
    wrong = "\n".join(mistake.format(step, step, step) for step in range(1500))
    _, findings = lowered(f"{names}\n{wrong}")
    assert len(findings) == 1500
    assert findings[0].help
    assert all(finding.message for finding in findings)
