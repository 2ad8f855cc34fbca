"""Fields: what is accepted, and what is said about the rest."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from ftspec.core.source import COMMAND_LINE
from ftspec.spec.kinds import COUNT, SECONDS, Doc
from ftspec.spec.methods import Full, Lora, Partial, Qlora
from ftspec.spec.model import Checkpointing, CustomNetwork, MixtureOfExperts, Offload, Scheduler
from ftspec.spec.optimizers import OptimizerChoice
from ftspec.spec.typed import build
from ftspec.spec.values import Word
from tests.spec.lowering import clean, lowered, only, pointed_at


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("training { method = full }", "training.method", Full()),
        (
            "training { method = lora { rank = 16  targets = attention } }",
            "training.method",
            Lora(16, targets="attention"),
        ),
        (
            'training { method = lora { targets = ["q_proj", "v_proj"] } }',
            "training.method",
            Lora(targets=("q_proj", "v_proj")),
        ),
        ("training { method = qlora { quantization = fp4 } }", "training.method", Qlora(quantization="fp4")),
        ("training { method = partial { last_layers = 4  head = true } }", "training.method", Partial(4, head=True)),
        ("training { optimizer = lion }", "training.optimizer", OptimizerChoice("lion")),
        ("training { optimizer = sgd { momentum = 0.9 } }", "training.optimizer", OptimizerChoice("sgd", momentum=0.9)),
        ("training { activation_checkpointing = full }", "training.activation_checkpointing", Checkpointing("full")),
        (
            "training { activation_checkpointing = full { every = 2 } }",
            "training.activation_checkpointing",
            Checkpointing("full", 2),
        ),
        (
            "training { learning_rate_scheduler = cosine { warmup_steps = 9 } }",
            "training.learning_rate_scheduler",
            Scheduler("cosine", 9),
        ),
        ('hardware { network = "InfiniBand-NDR" }', "hardware.network", "InfiniBand-NDR"),
        (
            "hardware { network = { kind = roce  bandwidth = 400Gbps } }",
            "hardware.network",
            CustomNetwork(kind="roce", bandwidth=50e9),
        ),
        (
            "hardware { network = roce { bandwidth = 400Gbps } }",
            "hardware.network",
            CustomNetwork(kind="roce", bandwidth=50e9),
        ),
        ("hardware { network { kind = roce } }", "hardware.network", CustomNetwork(kind="roce")),
        ("hardware { gpu_memory = 80GiB }", "hardware.gpu_memory", 80 * 2**30),
        ("hardware { price_per_gpu_hour = 2.5USD }", "hardware.price_per_gpu_hour", 2.5),
        ("model { moe { num_experts = 8 } }", "model.moe", MixtureOfExperts(8)),
        ('model { from = "a/b" }', "model.from_", "a/b"),
        ("parallelism { offload { optimizer = cpu } }", "parallelism.offload", Offload("cpu")),
        ("parallelism { zero_stage = 0 }", "parallelism.zero_stage", 0),
        ("storage { checkpoint { every = 30min } }", "storage.checkpoint.every", 1800.0),
        ("training { epochs = 3 }", "training.epochs", 3.0),
    ],
)
def test_accepted(text: str, path: str, expected) -> None:
    value = clean(text).spec
    for name in path.split("."):
        value = getattr(value, name)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "code", "where", "help"),
    [
        ("modle { }", "FT120", "modle", "did you mean `model`?"),
        ("tensor = 8", "FT120", "tensor", "into `parallelism`"),
        ("parallelism { tensr = 8 }", "FT120", "tensr", "did you mean `tensor`?"),
        ("parallelism { sequence_length = 4096 }", "FT120", "sequence_length", "into `training`"),
        ("parallelism { tensor_model_parallel_size = 8 }", "FT120", "tensor_model_parallel_size", "`tensor = …`"),
        ("training { train_batch_size = 8 }", "FT120", "train_batch_size", "`global_batch_size = …`"),
        ("training { lr = 1e-5 }", "FT120", "lr", "`optimizer = adamw { learning_rate = … }` in `training`"),
        ("training { learning_rate = 1e-5 }", "FT120", "learning_rate", "optimizer"),
        ("precision { bf16 = true }", "FT120", "bf16", "compute = bf16"),
        ("training { bf16 = true }", "FT120", "bf16", "in `precision`"),
        ("training { optimizer = adamw { momentom = 0.9 } }", "FT120", "momentom", "momentum"),
        ("training { method = lora { quantization = nf4 } }", "FT120", "quantization", "method = qlora { quant"),
        ("training { method = full { rank = 3 } }", "FT120", "rank", "method = lora { rank = … }` in `training`"),
        ("training { method = lora { r = 16 } }", "FT120", "r", "write `rank = …` in `training.method`"),
        ("training { method = lora { load_in_4bit = true } }", "FT120", "load_in_4bit", "method = qlora { quant"),
        ("training { rank = 3 }", "FT120", "rank", "write `method = lora { rank = … }` in `training`"),
        ("hardware { gpus = 128 }", "FT120", "gpus", "write `nodes = …  gpus_per_node = …` in `hardware`"),
        ("training { method = dora }", "FT125", "dora", "write `full`, `lora`"),
        ("precision { compute = fp64 }", "FT125", "fp64", "write `bf16`, `fp16`"),
        ("training { optimizer = { learning_rate = 1e-5 } }", "FT129", "{ learning_rate = 1e-5 }", "= adamw { … }"),
        ("training { method = { quantization = nf4 } }", "FT129", "{ quantization = nf4 }", "method = qlora { … }"),
        ("training { seed = parallelism.dat }", "FT101", "parallelism.dat", "did you mean `parallelism.data`?"),
        ("parallelism { zzzzz = 1 }", "FT120", "zzzzz", "its keys are tensor"),
        ('training { global_batch_size = "64" }', "FT121", '"64"', "a whole number"),
        ("training { global_batch_size = true }", "FT121", "true", "a whole number"),
        ("training { global_batch_size = [64] }", "FT121", "[64]", "a whole number"),
        ("training { sequence_length = 80GB }", "FT122", "80GB", "`16`"),
        ("model { from = 3 }", "FT121", "3", "a string in quotes"),
        ("precision { compute = 16 }", "FT121", "16", "`bf16`"),
        ("parallelism { sequence_parallel = 1 }", "FT121", "1", "`true` or `false`"),
        ('training { method = lora { targets = "q_proj" } }', "FT121", '"q_proj"', '["q_proj"]'),
        ('training { method = lora { targets = ["q_proj", 3] } }', "FT121", "3", "a string"),
        ("hardware { gpu_memory = 80 }", "FT122", "80", "`80GB` or `80GiB`"),
        ("storage { read_bandwidth = 10GB }", "FT122", "10GB", "`10GB/s`"),
        ("storage { checkpoint { every = 100 } }", "FT122", "100", "30min"),
        ("training { micro_batch_size = 0 }", "FT123", "0", "at least 1"),
        ("training { micro_batch_size = -3 }", "FT123", "-3", "at least 1"),
        ("hardware { gpu_memory = 0GB }", "FT123", "0GB", "above 0"),
        ("parallelism { zero_stage = 4 }", "FT123", "4", "at most 3"),
        ("training { optimizer = adamw { beta1 = 1 } }", "FT123", "1", "below 1"),
        ("training { tokens = 3e18 * 4 }", "FT105", "3e18 * 4", "64 bits"),
        ("hardware { nodes = 12 / 8 }", "FT124", "12 / 8", "write 1 or 2"),
        ("hardware { gpu_memory = 1GB / 3 }", "FT124", "1GB / 3", "floor"),
        ("precision { compute = bfloat16 }", "FT125", "bfloat16", "did you mean `bf16`?"),
        ('precision { compute = "bf61" }', "FT125", '"bf61"', "did you mean `bf16`?"),
        ("training { method = adalora }", "FT125", "adalora", "lora"),
        ("training { optimizer = adamW8bit }", "FT125", "adamW8bit", "adamw_8bit"),
        ("training { optimizer = xyz { beta1 = 0.9 } }", "FT125", "xyz { beta1 = 0.9 }", "`adamw`"),
        ("parallelism { sequence_parallel = yes }", "FT125", "yes", "write `true`"),
        ('precision { compute = "bf16" }', "FT126", '"bf16"', "without quotes"),
        ('training { method = "full" }', "FT126", '"full"', "without quotes"),
        ("hardware { gpu = H100 }", "FT126", "H100", "in quotes"),
        ("hardware { gpu = H100-SXM5-80GB }", "FT126", "H100-SXM5-80GB", "in quotes"),
        ("hardware { gpu = H100 - 80GB }", "FT101", "H100", "let H100"),
        ("hardware { gpu = hardware.network }", "FT108", "hardware.network", "write `network`"),
        ("training { seed = auto }", "FT127", "auto", "leave it out"),
        ("precision { compute = auto }", "FT127", "auto", "leave it out"),
        ("precision = bf16", "FT128", "bf16", "precision { … }"),
        ("training { dataset = 1B }", "FT128", "1B", "dataset { … }"),
        ("training { sequence_length { } }", "FT128", "sequence_length", "a whole number"),
        ("training { attention = flash { x = 1 } }", "FT128", "flash { x = 1 }", "attention = flash"),
        ("parallelism { offload = cpu { } }", "FT128", "offload", "offload { … }"),
        ("training { method = { rank = 16 } }", "FT129", "{ rank = 16 }", "method = "),
        (
            "training { activation_checkpointing { every = 1 } }",
            "FT129",
            "activation_checkpointing { every = 1 }",
            "full",
        ),
        ('name = "a/b"', "FT130", '"a/b"', "plain"),
        ('name = ""', "FT130", '""', "plain"),
        ('name = "-rf"', "FT130", '"-rf"', "plain"),
        (f'name = "{"x" * 101}"', "FT130", f'"{"x" * 101}"', "plain"),
        ('model { from = "a\\tb" }', "FT130", '"a\\tb"', "plain"),
        ("training { sequence_length = gpsu }", "FT101", "gpsu", "let gpsu"),
        ("let gpus = 8  training { global_batch_size = gpsu }", "FT101", "gpsu", "did you mean `gpus`?"),
        ("training { optimizer = adamw { kind = sgd } }", "FT110", "kind", "leave `kind` out"),
        ("let auto = 3", "FT110", "auto", "another name"),
        ("training { seed = lora { rank = 1 } }", "FT128", "lora { rank = 1 }", "a whole number"),
        ("training { seed = 1  seed = 2 }", "FT100", "seed", "keep one"),
        ("training { } training { }", "FT100", "training", "keep one"),
        ("let a = 1  let a = 2", "FT100", "a", "keep one"),
        ("target deepspeed { } target deepspeed { }", "FT100", "deepspeed", "keep one"),
        ('variant "a" { } variant "a" { }', "FT100", '"a"', "keep one"),
        ("target deepspeed { raw = 3 }", "FT128", "3", "raw { … }"),
    ],
)
def test_mistake(text: str, code: str, where: str, help: str) -> None:
    finding = only(text)
    assert (finding.code, pointed_at(finding, text)) == (code, where)
    assert help in (finding.help or "")


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ('precision { compute = "bf16" }', "precision { compute = bf16 }"),
        ("precision { compute = bf61 }", "precision { compute = bf16 }"),
        ("hardware { gpu = H100 }", 'hardware { gpu = "H100" }'),
        ("hardware { gpu = H100-SXM5-80GB }", 'hardware { gpu = "H100-SXM5-80GB" }'),
        ("hardware { network = InfiniBand-NDR }", 'hardware { network = "InfiniBand-NDR" }'),
        ("model { from = meta-llama/Llama-3.1-8B }", 'model { from = "meta-llama/Llama-3.1-8B" }'),
        ("model { from = config.json }", 'model { from = "config.json" }'),
        ("parallelism { tensr = 8 }", "parallelism { tensor = 8 }"),
        ("parallelism { sequence_parallel = off }", "parallelism { sequence_parallel = false }"),
        ("training { sequence_length = 4k }", "training { sequence_length = 4Ki }"),
        ("let l = 8k  training { sequence_length = l }", "let l = 8Ki  training { sequence_length = l }"),
        ('training { method = lora { targets = "q_proj" } }', 'training { method = lora { targets = ["q_proj"] } }'),
        ("training { train_batch_size = 8 }", "training { global_batch_size = 8 }"),
        ("training { method = lora { r = 16 } }", "training { method = lora { rank = 16 } }"),
    ],
)
def test_a_fix_removes_its_finding(text: str, repaired: str) -> None:
    fix = only(text).fix
    assert fix is not None
    (edit,) = fix.edits
    fixed = text[: edit.span.column - 1] + edit.text + text[edit.span.end_column - 1 :]
    assert fixed == repaired
    clean(fixed)


@pytest.mark.parametrize(
    "text",
    [
        'let b = "bf16"  precision { compute = b }',
        "hardware { gpu = if true then H100 else A100 }",
        "hardware { gpus = 128 }",
        "precision { compute = fp64 }",
        "training { method = dora }",
        "training { method = qlora { load_in_4bit = true } }",
    ],
)
def test_no_fix_where_what_is_meant_or_its_place_is_not_sure(text: str) -> None:
    assert only(text).fix is None


def test_a_duplicate_points_at_both_places() -> None:
    finding = only("training { seed = 1  seed = 2 }")
    assert finding.message == "`seed` is written twice, first in line 2"
    assert finding.span.column == 22
    assert [related.span.column for related in finding.related] == [12]


def test_a_wrong_field_is_left_out_and_the_rest_is_kept() -> None:
    document, findings = lowered(
        "training { micro_batch_size = 0  global_batch_size = 64  method = lora { rank = 0  alpha = 32 } }"
    )
    assert [finding.code for finding in findings] == ["FT123", "FT123"]
    assert document.spec.training.micro_batch_size is None
    assert document.spec.training.global_batch_size == 64
    assert document.spec.training.method == Lora(alpha=32.0)


@dataclass(frozen=True, slots=True)
class Slurm:
    partition: Annotated[str | None, Doc("Where to queue.")] = None
    time: Annotated[float | None, SECONDS, Doc("Limit.")] = None
    kind: Annotated[Literal["slurm"], Doc("Word.")] = "slurm"


@dataclass(frozen=True, slots=True)
class Local:
    kind: Annotated[Literal["local"], Doc("Word.")] = "local"


@dataclass(frozen=True, slots=True)
class Options:
    launcher: Annotated[Slurm | Local | None, Doc("Who starts it.")] = None
    ports: Annotated[tuple[Annotated[int, COUNT], ...] | None, Doc("Ports.")] = None
    level: Annotated[Literal[0, 1, 2] | None, Doc("Level.")] = None


def built(text: str):
    block = clean(f"target t {{ {text} }}").targets[0]
    return build(Options, block.options, block.places, span=block.span)


def test_a_targets_options_are_built_the_same_way() -> None:
    options, findings = built('launcher = slurm { partition = "h100"  time = 72h }  ports = [1, 2]  level = 2')
    assert findings == []
    assert options == Options(Slurm("h100", 259200.0), (1, 2), 2)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("launcher = slurm { partition = 3 }", "FT121", "`partition` takes a string"),
        ("launchr = local", "FT120", "this target has no `launchr`"),
        ("zzz = local", "FT120", "this target has no `zzz`"),
        ("launcher = slurm { partion = 3 }", "FT120", "`slurm` has no `partion`"),
        ("level = 3", "FT121", "`level` takes `0`, `1` or `2`"),
        ("ports = [1, 0]", "FT123", "`ports[1]` is 0"),
    ],
)
def test_mistakes_in_a_targets_options(text: str, code: str, message: str) -> None:
    _, findings = built(text)
    assert [finding.code for finding in findings] == [code]
    assert message in findings[0].message
    assert findings[0].span.line == 2


def test_annotations_that_the_language_has_no_values_for_are_our_fault() -> None:
    @dataclass
    class Odd:
        when: complex = 0j

    with pytest.raises(TypeError, match="no values of type"):
        build(Odd, {"when": Word("x")}, {})


def test_values_of_the_command_line_have_its_place() -> None:
    document = clean("", 'model.from="a"')
    place = document.places["model.from"]
    assert place.path == COMMAND_LINE
    assert (place.key.column, place.value.column, place.value.end_column) == (7, 12, 15)
