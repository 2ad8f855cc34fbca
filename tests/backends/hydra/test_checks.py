"""What the target refuses about its own block."""

import pytest

from ftspec.core.finding import Finding, Severity
from ftspec.pipeline import check_text
from tests.backends.hydra.trees import SMALL


def findings(block: str, text: str = SMALL) -> list[Finding]:
    return [each for each in check_text(text + block + "\n", "job.ft").findings if each.severity is not Severity.NOTE]


@pytest.mark.parametrize(
    ("block", "code", "words", "place"),
    [
        ("target hydra { launcher = local }", "FT700", "8 GPUs", "launcher"),
        ("target hydra { raw { training { x = 1 } } }", "FT701", "config group", "training"),
        ('target hydra { raw { defaults = ["a"] } }', "FT701", "selects", "defaults"),
        ('target hydra { raw { name = "x" } }', "FT701", "name", "name"),
        ('target hydra { raw { a { b = "${x" } } }', "FT702", "${x", "b"),
        ('target hydra { raw { a = ["ok", "${x:"] } }', "FT702", "${x:", "a"),
        ('target hydra { script = "???" }', "FT703", "???", "script"),
        ('target hydra { launcher = slurm { partition = "???" } }', "FT703", "???", "partition"),
        ('target hydra { raw { hydra { run { dirr = "x" } } } }', "FT704", "dirr", "dirr"),
        ('target hydra { raw { hydra { job { num = "x" } } } }', "FT704", "num", "num"),
        ("target hydra { raw { hydra = 3 } }", "FT704", "block", "hydra = 3"),
    ],
)
def test_mistakes(block: str, code: str, words: str, place: str) -> None:
    (finding,) = findings(block)
    assert finding.code == code
    assert words in finding.message
    assert finding.help
    assert block[finding.span.column - 1 :].startswith(place)


@pytest.mark.parametrize(
    "block",
    [
        "target hydra {}",
        'target hydra { launcher = slurm { partition = "h100"  time = 72h } }',
        'target hydra { launcher = torchrun { host = "node0"  port = 4000 }  script = "t.py"  arguments = ["-a b"] }',
        'target hydra { raw { hydra { run { dir = "out/${name}" }  job { chdir = true } }  wb { p = "${name}" } } }',
        'target hydra { raw { folder = "costs \\\\${x}" } }',
    ],
)
def test_good_blocks(block: str) -> None:
    assert findings(block) == []


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("target hydra { launchr = local }", "launcher"),
        ("target hydra { launcher = slrm }", "slurm"),
        ('target hydra { launcher = slurm { partion = "a" } }', "partition"),
        ("target hydra { launcher = slurm { time = 72 } }", "unit"),
        ("target hydra { launcher = torchrun { port = 0 } }", "minimum"),
    ],
)
def test_options_are_typed(block: str, words: str) -> None:
    (finding,) = findings(block)
    assert words in f"{finding.message} {finding.help}"


def test_one_gpu_may_be_local() -> None:
    assert (
        findings(
            "target hydra { launcher = local }",
            SMALL.replace("gpus_per_node = 8", "gpus_per_node = 1").replace("zero_stage = 2", ""),
        )
        == []
    )
