"""Trees for the tests of this target: specs compiled by the real pipeline, and composed by the real Hydra."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from ftspec.backends.base import Artefact
from ftspec.core.finding import Severity
from ftspec.pipeline import check_text, compile_checked
from ftspec.plan.model import Plan, Stack
from ftspec.plan.resolve import resolve
from ftspec.spec.document import Document
from ftspec.spec.lower import lower
from ftspec.spec.mapping import spec_to_mapping
from ftspec.spec.schema import spec_from_mapping
from ftspec.syntax.parser import parse

PRETRAIN = """ft 1
name = "r1-70b"
model { from = "deepseek-ai/DeepSeek-R1-Distill-Llama-70B" }
hardware { gpu = "H100-SXM5-80GB"  nodes = 16  gpus_per_node = 8  network = "InfiniBand-NDR" }
precision { compute = bf16 }
training {
  stack = megatron
  sequence_length = 4Ki
  global_batch_size = 256
  micro_batch_size = 1
  activation_checkpointing = full
  optimizer = adamw { learning_rate = 1e-5  weight_decay = 0.1 }
  tokens = 1B
}
parallelism { tensor = 8  pipeline = 4  sequence_parallel = true  zero_stage = 1 }
storage { read_bandwidth = 10GB/s }
"""

SMALL = """ft 1
name = "small"
model { from = "meta-llama/Llama-3.2-1B" }
hardware { gpu = "H100-SXM5-80GB"  nodes = 1  gpus_per_node = 8 }
training { activation_checkpointing = full  steps = 1000 }
parallelism { zero_stage = 2 }
"""

ONE_GPU = SMALL.replace("gpus_per_node = 8", "gpus_per_node = 1").replace("zero_stage = 2", "zero_stage = 0")


def artefacts_of(text: str) -> list[Artefact]:
    """The target's files of a spec that has no error."""
    checked = check_text(text, "job.ft", (), ["hydra"])
    assert not [finding for finding in checked.findings if finding.severity is Severity.ERROR]
    return [artefact for artefact in compile_checked(checked) if artefact.path.startswith("hydra/")]


def write_tree(text: str, folder: Path) -> Path:
    """Compile a spec into a folder; the path of its config tree."""
    for artefact in artefacts_of(text):
        path = folder / artefact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artefact.text, encoding="utf-8")
    return folder / "hydra"


def composed(tree: Path, *overrides: str) -> DictConfig:
    """What Hydra composes of a tree."""
    with initialize_config_dir(str(tree.absolute()), version_base=None):
        return compose("config", overrides=list(overrides))


@cache
def mapping_of(text: str) -> dict[str, Any]:
    """A spec's text as nested plain values."""
    tree, findings = parse(text)
    assert tree is not None, findings
    document, findings = lower(tree, "job.ft")
    assert not findings
    return spec_to_mapping(document.spec)


def plan_of(mapping: dict[str, Any], stack: Stack) -> Plan | None:
    """The plan of a spec that is given as nested plain values; None where there is none."""
    spec, findings = spec_from_mapping(mapping)
    assert spec is not None, findings
    spec = replace(spec, training=replace(spec.training, stack=spec.training.stack or stack))
    return resolve(Document("job.ft", spec, {}, (), (), (), ()), spec.training.stack)[0]
