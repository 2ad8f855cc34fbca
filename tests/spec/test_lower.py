"""Documents: blocks, targets, places, and the command line's settings over a file."""

import pytest

from ftspec.core.source import COMMAND_LINE, Place
from ftspec.core.units import Dimension, Quantity
from ftspec.spec.body import Body, Collector
from ftspec.spec.evaluate import Evaluation
from ftspec.spec.kinds import AUTO
from ftspec.spec.methods import Lora
from ftspec.syntax.parser import parse
from tests.spec.lowering import clean, lowered, only, pointed_at

WHOLE = """name = "r1-70b-full"
let gpus = 128
model { from = "deepseek-ai/DeepSeek-R1-Distill-Llama-70B" }
hardware { gpu = "H100-SXM5-80GB"  nodes = gpus / 8  gpus_per_node = 8  network = "InfiniBand-NDR" }
precision { compute = bf16 }
training {
  method                   = full
  sequence_length          = 4Ki
  global_batch_size        = 256
  optimizer                = adamw { learning_rate = 1e-5  weight_decay = 0.1 }
  tokens                   = 1B
}
parallelism { tensor = 8  pipeline = 4  data = auto  sequence_parallel = true  zero_stage = 1 }
storage { read_bandwidth = 10GB/s }
target deepspeed { raw { wall_clock_breakdown = true  zero_optimization { stage = 2 }  "a.b" = auto } }
target megatron  { }
target hydra     { launcher = slurm { partition = "h100" time = 72h } }
variant "lora-8-gpus" { hardware { nodes = 1 } }
assert memory.peak_per_gpu <= 74GiB, "leave room for evaluation"
"""


def test_a_whole_spec() -> None:
    document = clean(WHOLE)
    spec = document.spec
    assert spec.name == "r1-70b-full"
    assert (spec.hardware.nodes, spec.parallelism.data, spec.training.tokens) == (16, AUTO, 10**9)
    assert spec.storage.read_bandwidth == 10e9
    assert spec.training.seed is None
    assert [variant.name.value for variant in document.variants] == ["lora-8-gpus"]
    assert len(document.assertions) == 1
    assert document.path == "job.ft"


def test_targets_keep_options_raw_and_places() -> None:
    deepspeed, megatron, hydra = clean(WHOLE).targets
    assert deepspeed.options == {}
    assert deepspeed.raw == {"wall_clock_breakdown": True, "zero_optimization": {"stage": 2}, "a.b": "auto"}
    assert list(deepspeed.places) == [
        "raw",
        "raw.wall_clock_breakdown",
        "raw.zero_optimization",
        "raw.zero_optimization.stage",
        "raw.a.b",
    ]
    assert (megatron.options, megatron.raw) == ({}, {})
    assert hydra.options == {
        "launcher": {"kind": "slurm", "partition": "h100", "time": Quantity(259200, Dimension.SECONDS)}
    }


def test_places_are_those_of_keys_and_values() -> None:
    text = "training { optimizer = adamw { learning_rate = 1e-5 } }"
    places = clean(text).places
    assert list(places) == ["training", "training.optimizer", "training.optimizer.learning_rate"]
    place = places["training.optimizer.learning_rate"]
    assert place.path == "job.ft"
    assert text[place.key.column - 1 : place.key.end_column - 1] == "learning_rate"
    assert text[place.value.column - 1 : place.value.end_column - 1] == "1e-5"


def test_an_empty_text_is_an_empty_spec() -> None:
    document = clean("")
    assert document.spec.model.from_ is None
    assert document.places == {}


def test_a_later_layer_merges_blocks_and_replaces_values() -> None:
    places: dict[str, Place] = {}
    root = Body("", places)
    for layer, text in enumerate(
        [
            "training { seed = 1  steps = 2  optimizer = adamw { beta1 = 0.8 } }",
            "training { seed = 3  optimizer = lion }  parallelism { tensor = 4 }",
        ]
    ):
        tree, _ = parse(f"ft 1\n{text}")
        assert tree is not None
        collector = Collector(f"{layer}.ft", layer, {})
        collector.collect(tree.statements, root)
        assert collector.findings == []
    values = Evaluation(root, {}, "").values(root)
    assert values == {"training": {"seed": 3, "steps": 2, "optimizer": "lion"}, "parallelism": {"tensor": 4}}
    assert {path: place.path for path, place in places.items()} == {
        "training": "0.ft",
        "training.seed": "1.ft",
        "training.steps": "0.ft",
        "training.optimizer": "1.ft",
        "parallelism": "1.ft",
        "parallelism.tensor": "1.ft",
    }


@pytest.mark.parametrize(
    ("settings", "path", "expected"),
    [
        (("parallelism.tensor=4",), "parallelism.tensor", 4),
        (("parallelism.tensor = 4", "parallelism.tensor=2"), "parallelism.tensor", 2),
        (("gpus=64",), "hardware.nodes", 8),
        (("parallelism.tensor=gpus / 64",), "parallelism.tensor", 2),
        (("parallelism.data=auto",), "parallelism.data", AUTO),
        (('name="x"',), "name", "x"),
        (("name=x-1 y",), "name", "x-1 y"),
        (("training.method=lora { rank = 8 }",), "training.method", Lora(8)),
        (("parallelism={ tensor = 2 }",), "parallelism.tensor", 2),
        (("parallelism={ tensor = 2 }",), "parallelism.pipeline", 4),
        (("hardware={ nodes = 2 }",), "hardware.gpu", "H100-SXM5-80GB"),
        (("training={ optimizer = { learning_rate = 1e-4 } }",), "training.optimizer.weight_decay", 0.1),
        (("training.method=lora { rank = 8 }", "training.method={ alpha = 3 }"), "training.method", Lora(8, 3.0)),
        (("training.method=lora { rank = 8 }", "training.method.alpha=3"), "training.method", Lora(8, 3.0)),
        (("training.method=lora", "training.method.rank=3"), "training.method", Lora(3)),
        (("training.optimizer.learning_rate=2e-5",), "training.optimizer.learning_rate", 2e-5),
        (("training.optimizer.learning_rate=2e-5",), "training.optimizer.weight_decay", 0.1),
        (("storage.checkpoint.every=1h",), "storage.checkpoint.every", 3600.0),
        (("training.sequence_length=if gpus == 128 then 8Ki else 4Ki",), "training.sequence_length", 8192),
    ],
)
def test_a_setting_overrides_the_file(settings: tuple[str, ...], path: str, expected) -> None:
    value = clean(WHOLE, *settings).spec
    for name in path.split("."):
        value = getattr(value, name)
    assert value == expected


def test_a_setting_keeps_the_other_keys_and_forgets_replaced_ones() -> None:
    document = clean(WHOLE, "training.optimizer=sgd { momentum = 0.9 }")
    assert document.spec.training.tokens == 10**9
    assert "training.optimizer.learning_rate" not in document.places
    assert document.places["training.optimizer.momentum"].path == COMMAND_LINE
    assert document.places["training.tokens"].path == "job.ft"


@pytest.mark.parametrize(
    ("setting", "code", "where", "help"),
    [
        ("parallelism.tensr=4", "FT120", "tensr", "tensor"),
        ("tensor=4", "FT111", "tensor", "path=value"),
        ("gpsu=4", "FT111", "gpsu", "path=value"),
        ("nonsense", "FT111", "nonsense", "path=value"),
        ("=4", "FT111", "=4", "path=value"),
        ("parallelism..tensor=4", "FT111", "parallelism..tensor", "path=value"),
        ("a b.c=4", "FT111", "a b.c", "path=value"),
        ("parallelism.tensor=0", "FT123", "0", "at least 1"),
        ("hardware.gpu_memory=80", "FT122", "80", "80GB"),
        ("parallelism.tensor=1 / 0", "FT104", "1 / 0", "divisor"),
        ("hardware.nodes.x=3", "FT111", "hardware.nodes.x", "path=value"),
        ("parallelism.tensor=4 let y = 3", "FT111", "4 let y = 3", "path=value"),
        ("training=4", "FT128", "4", "training { … }"),
    ],
)
def test_a_bad_setting(setting: str, code: str, where: str, help: str) -> None:
    finding = only(WHOLE, "training.seed=1", setting)
    assert (finding.code, finding.span.source, finding.span.line) == (code, COMMAND_LINE, 2)
    assert pointed_at(finding, WHOLE, "training.seed=1", setting) == where
    assert help in (finding.help or "")


@pytest.mark.parametrize("value", ["", "1 +", "(", '"', "lora {", "1\n2", "# 4", "\0"])
def test_a_setting_that_does_not_parse_is_reported_on_the_command_line(value: str) -> None:
    _, findings = lowered(WHOLE, f"parallelism.tensor={value}")
    assert findings
    assert all(finding.span.source == COMMAND_LINE and finding.span.line == 1 for finding in findings)


def test_a_set_let_is_checked_where_it_is_used() -> None:
    finding = only("let gpus = 8\nhardware { nodes = gpus }", "gpus=0")
    assert (finding.code, finding.span.source, finding.span.line) == ("FT123", "", 3)
