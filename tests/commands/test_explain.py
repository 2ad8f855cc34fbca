"""`explain`: codes, terms of memory, and where values came from."""

from pathlib import Path

import pytest

from ftspec.memory.terms import terms
from tests.commands.conftest import GOOD

ROOT = Path(__file__).resolve().parents[2]
TWO_STACKS = str(ROOT / "examples" / "deepseek-r1-70b.ft")


@pytest.mark.parametrize("name", terms())
def test_every_term_is_explained(ftspec, name: str) -> None:
    result = ftspec("explain", f"memory.{name}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"memory.{name}: ")
    assert "Formula:" in result.stdout
    assert "ftspec/memory/" in result.stdout


def test_terms_are_listed_and_guessed(ftspec) -> None:
    assert ftspec("explain", "memory").stdout.count("memory.") == len(terms())
    result = ftspec("explain", "memory.activation")
    assert result.returncode == 2
    assert "did you mean memory.activations?" in result.stderr


def test_inputs_have_values_and_origins(ftspec, good: Path) -> None:
    text = ftspec("explain", good.name, "memory.activations", "--set", "training.micro_batch_size=2").stdout
    (written,) = [line for line in text.splitlines() if "training.activation_checkpointing" in line]
    assert written.split() == ["training.activation_checkpointing", "=", "full", "given", "at", "job.ft:4:39"]
    (micro_batch,) = [line for line in text.splitlines() if "training.micro_batch_size (b)" in line]
    assert "= 2 " in micro_batch
    assert micro_batch.endswith("given at --set:1:27")
    (length,) = [line for line in text.splitlines() if "training.sequence_length (s)" in line]
    assert length.split("=")[1].split() == ["4,096", "default:", "4Ki", "tokens"]
    assert "catalog: meta-llama/Llama-3.1-8B" in text
    assert "training.method.rank" not in text, "the method has none"


def test_amounts_are_those_of_memory(ftspec, good: Path) -> None:
    text = ftspec("explain", good.name, "memory.optimizer_states").stdout
    shown = ftspec("memory", good.name).stdout
    (row,) = [line for line in shown.splitlines() if "optimizer states" in line and "│" in line]
    amount = row.split("│")[2].strip()
    (stage,) = [line for line in text.splitlines() if line.strip().startswith("stage 0 ")]
    assert stage.split()[2] == amount


def test_a_shape_that_the_spec_overrides_is_given_there(ftspec, good: Path) -> None:
    good.write_text(GOOD.replace('Llama-3.1-8B"', 'Llama-3.1-8B"  vocab_size = 1024'))
    text = ftspec("explain", good.name, "memory.logits").stdout
    (vocabulary,) = [line for line in text.splitlines() if "model.shape.vocab_size (V) = 1,024" in line]
    assert vocabulary.split()[-1].startswith("job.ft:2:")


def test_where_a_value_came_from(ftspec, good: Path) -> None:
    lines = ftspec("explain", good.name, "parallelism.data").stdout.splitlines()
    assert lines[0].split("   ") == ["parallelism.data = 8", "derived: world_size / (tensor × pipeline × context)"]
    assert lines[1].startswith("  hardware.world_size = 8   derived: nodes × gpus_per_node")
    assert lines[2].startswith("    hardware.nodes = 1   given at job.ft:3:")
    assert lines[-1].startswith("used by memory.parameters")


def test_a_block_and_the_spec_s_own_names(ftspec, good: Path) -> None:
    block = ftspec("explain", good.name, "precision").stdout.splitlines()
    assert len(block) == 5
    assert ftspec("explain", good.name, "parallelism.offload.optimizer").stdout.startswith("parallelism.offload_optim")


def test_stacks_that_differ_are_told_apart(ftspec) -> None:
    text = ftspec("explain", TWO_STACKS, "precision.gradients").stdout
    assert "on deepspeed:\nprecision.gradients = bf16" in text
    assert "on megatron:\nprecision.gradients = fp32" in text
    assert "on deepspeed" not in ftspec("explain", TWO_STACKS, "parallelism.tensor").stdout


def test_unknown_paths_and_files(ftspec, good: Path) -> None:
    result = ftspec("explain", good.name, "training.sequence_lenth")
    assert result.returncode == 2
    assert "did you mean training.sequence_length?" in result.stderr
    assert ftspec("explain", "no-such.ft", "parallelism.tensor").returncode == 2
    assert ftspec("explain", good.name).returncode == 2
    (good.parent / "bad.ft").write_text("ft 1\nmodel { from = }\n")
    result = ftspec("explain", "bad.ft", "parallelism.tensor")
    assert result.returncode == 1
    assert "error[FT" in result.stderr


def test_the_host_s_memory_is_explained_with_and_without_offload(ftspec, good: Path) -> None:
    text = ftspec("explain", good.name, "memory.host").stdout
    assert "On deepspeed:\n    nothing is offloaded" in text
    text = ftspec("explain", good.name, "memory.host", "--set", "parallelism.offload.optimizer=cpu").stdout
    (line,) = [line for line in text.splitlines() if "each node's main memory" in line]
    assert line.strip() in ftspec("memory", good.name, "--set", "parallelism.offload.optimizer=cpu").stdout


def test_a_derivation_names_what_it_means(ftspec, good: Path) -> None:
    text = ftspec("explain", good.name, "training.stack").stdout
    assert text.splitlines()[0] == "training.stack = deepspeed   derived: follows the targets"
    assert "training.method.targets" not in text


def test_what_lies_below_a_path(ftspec, good: Path) -> None:
    lines = ftspec("explain", good.name, "parallelism.offload").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["parallelism.offload_optimizer", "parallelism.offload_parameters"]
    assert ftspec("explain", good.name, "model.from").stdout.startswith("model.id = meta-llama/Llama-3.1-8B ")
    lines = ftspec("explain", good.name, "memory").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [f"memory.{name}" for name in terms()]
    (shown,) = [line for line in ftspec("memory", good.name).stdout.splitlines() if line.startswith("│ peak ")]
    (listed,) = [line for line in lines if line.startswith("memory.peak ")]
    assert listed.split()[1] == shown.split("│")[2].strip()


@pytest.mark.parametrize("word", ["activations", "Memory.activations", "memory.Activations", "memory.activatons"])
def test_a_term_is_meant(ftspec, good: Path, word: str) -> None:
    for subject in ((word,), (good.name, word)):
        result = ftspec("explain", *subject)
        assert result.returncode == 2
        assert "did you mean memory.activations?" in result.stderr


def test_experts_and_latent_attention_are_told_in_numbers(ftspec, good: Path) -> None:
    good.write_text(GOOD.replace("meta-llama/Llama-3.1-8B", "deepseek-ai/DeepSeek-V3"))
    text = ftspec("explain", good.name, "model.shape").stdout
    assert "model.shape.moe = 256 experts, top 8 " in text
    assert "Shape" not in text


def test_functions_are_those_of_the_job_s_stack_and_optimizer(ftspec, good: Path) -> None:
    every = ftspec("explain", "memory.optimizer_states").stdout
    own = ftspec("explain", good.name, "memory.optimizer_states").stdout
    for name in ("adafactor", "muon", "sgd", "adam_8bit"):
        assert f"optimizers/{name}.py" in every
        assert f"optimizers/{name}.py" not in own
    assert "optimizers/adam.py" in own
    buffers = ftspec("explain", good.name, "memory.communication_buffers").stdout
    assert "communication/deepspeed.py" in buffers
    assert "communication/fsdp2.py" not in buffers
    both = ftspec("explain", TWO_STACKS, "memory.activations").stdout
    assert "step/megatron.py" in both


def test_what_the_peak_and_the_overhead_depend_on(ftspec) -> None:
    assert "training.stack" in ftspec("explain", "memory.framework_overhead").stdout
    assert "training.method.kind" in ftspec("explain", "memory.peak").stdout
