"""Bad input gives one clear message and the exit code of the contract: no traceback, no partly written output."""

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.pipeline import check_text
from tests.commands.conftest import GOOD

HEADER = 'ft 1\nmodel { from = "meta-llama/Llama-3.1-8B" }\nhardware { gpu = "H100-SXM5-80GB" }\n'


def _one_message(result, code: int) -> None:
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.strip()
    assert result.stdout == ""


CONTENTS = {
    "empty": (b"", 1),
    "blank": (b"\n  \n# only a comment\n", 1),
    "binary": (bytes(range(256)) * 40, 1),
    "utf-16": (GOOD.encode("utf-16"), 1),
    "latin-1": (GOOD.replace("Llama", "Ll\u00e4ma").encode("latin-1"), 1),
    "ten megabytes": (b"# nothing\n" * 1_000_000, 1),
    "deep braces": (b"ft 1\n" + b"a { " * 10_000, 1),
    "deep braces, closed": (b"ft 1\n" + b"a { " * 10_000 + b"}" * 10_000, 1),
    "deep parentheses": (b"ft 1\nlet x = " + b"(" * 10_000 + b"1" + b")" * 10_000, 1),
    "deep minus": (b"ft 1\nlet x = " + b"-" * 10_000 + b"1", 1),
    "deep not": (b"ft 1\nlet x = " + b"not " * 10_000 + b"true", 1),
    "deep if": (b"ft 1\nlet x = " + b"if true then 1 else " * 10_000 + b"1", 1),
    "deep list": (b"ft 1\nlet x = " + b"[" * 10_000 + b"]" * 10_000, 1),
    "long sum": (b"ft 1\nlet x = 1" + b" + 1" * 100_000, 1),
    "half written": (GOOD.encode()[:-40], 1),
    "unclosed string": (b'ft 1\nname = "job\n', 1),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_content(ftspec, tmp_path: Path, name: str) -> None:
    content, code = CONTENTS[name]
    (tmp_path / "bad.ft").write_bytes(content)
    result = ftspec("check", "bad.ft")
    _one_message(result, code)
    assert "error[FT" in result.stderr
    assert "bad.ft:" in result.stderr


def test_missing_file(ftspec) -> None:
    _one_message(ftspec("check", "no-such.ft"), 2)


def test_directory(ftspec, tmp_path: Path) -> None:
    (tmp_path / "folder.ft").mkdir()
    _one_message(ftspec("check", "folder.ft"), 2)


def test_broken_link_and_pipe(ftspec, tmp_path: Path) -> None:
    (tmp_path / "link.ft").symlink_to("nowhere.ft")
    os.mkfifo(tmp_path / "pipe.ft")
    _one_message(ftspec("check", "link.ft"), 2)
    _one_message(ftspec("check", "pipe.ft", timeout=20), 2)


def test_no_command_and_unknown_command(ftspec) -> None:
    assert ftspec().returncode == 2
    assert ftspec("chekc", "x.ft").returncode == 2


def test_readable_and_unreadable_together(ftspec, good: Path) -> None:
    assert ftspec("check", good.name, "no-such.ft").returncode == 2


NUMBERS = [
    "1e999",
    "-1e999",
    "0",
    "-1",
    "1.5",
    "1e-400",
    "9223372036854775808",
    "9" * 400,
    "1/0",
    "10 - 10",
    "0GB",
    "-80GiB",
    "1e308 * 1e308",
]
FIELDS = [
    "hardware { nodes = N }",
    "hardware { gpus_per_node = N }",
    "hardware { gpu_memory = N }",
    "hardware { price_per_gpu_hour = N }",
    "hardware { network = { kind = infiniband  bandwidth = N } }",
    "model { num_hidden_layers = N }",
    "model { hidden_size = N }",
    "model { vocab_size = N }",
    "model { num_attention_heads = N }",
    "model { num_key_value_heads = N }",
    "model { head_dim = N }",
    "model { moe { num_experts = N  num_experts_per_tok = N  moe_intermediate_size = N } }",
    "training { sequence_length = N }",
    "training { micro_batch_size = N }",
    "training { global_batch_size = N }",
    "training { gradient_accumulation_steps = N }",
    "training { tokens = N }",
    "training { steps = N }",
    "training { epochs = N  dataset { tokens = N } }",
    "training { gradient_clipping = N }",
    "training { seed = N }",
    "training { optimizer = adamw { learning_rate = N } }",
    "training { optimizer = adamw { beta1 = N } }",
    "training { method = lora { rank = N } }",
    "training { method = partial { last_layers = N } }",
    "training { activation_checkpointing = full { every = N } }",
    "training { learning_rate_scheduler = cosine { warmup_steps = N } }",
    "parallelism { tensor = N }",
    "parallelism { pipeline = N }",
    "parallelism { virtual_pipeline = N }",
    "parallelism { data = N }",
    "parallelism { context = N }",
    "parallelism { expert = N }",
    "parallelism { expert_tensor = N }",
    "parallelism { zero_stage = N }",
    "storage { read_bandwidth = N }",
    "storage { checkpoint { every = N } }",
]


def _merged(field: str, number: str) -> str:
    """The header with a field put into its block: a block may be written only once."""
    block, _, rest = field.partition(" { ")
    line = f"{block} {{ {rest.replace('N', number) if number != 'N' else rest}"
    texts = {"model": HEADER.splitlines()[1], "hardware": HEADER.splitlines()[2]}
    if block in texts:
        merged = texts[block].removesuffix("}") + line.partition(" { ")[2]
        return HEADER.replace(texts[block], merged)
    return HEADER + line + "\n"


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("field", FIELDS)
def test_numbers_at_the_edge(field: str, number: str) -> None:
    """Zero, negative, infinite and absurd numbers in every field: findings, or a plan; never an exception."""
    checked = check_text(_merged(field, number), "edge.ft")
    assert checked.exit_code in (0, 1, 3)
    if number not in ("0", "10 - 10", "1.5"):
        assert checked.exit_code == 1, "no field takes this number"


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "number",
    ["3", "7", "64", "1000003", "2147483647", "1TB", "3s", "true", '"x"', "[1]", "auto", "bogus", "lora { rank = 1 }"],
)
def test_any_value_in_any_field(field: str, number: str) -> None:
    assert check_text(_merged(field, number), "any.ft").exit_code in (0, 1, 3)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)), st.text(max_size=5))
def test_edited_spec_never_raises(start: int, end: int, inserted: str) -> None:
    """A good spec with a stretch replaced by anything: whatever a person types on the way."""
    start, end = sorted((start, end))
    assert check_text(GOOD[:start] + inserted + GOOD[min(end, start + 30) :], "edited.ft").exit_code in (0, 1, 3)


class TestOutput:
    """`compile` writes all files or none."""

    def test_writes_and_writes_again(self, ftspec, good: Path, tmp_path: Path) -> None:
        first = ftspec("compile", good.name, "--out", "out")
        assert first.returncode == 0, first.stderr
        before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
        assert ftspec("compile", good.name, "--out", "out").returncode == 0
        assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    def test_filled_directory_is_left_alone(self, ftspec, good: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").write_text("mine")
        _one_message(ftspec("compile", good.name, "--out", "out"), 2)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]

    def test_edited_file_is_left_alone(self, ftspec, good: Path, tmp_path: Path) -> None:
        ftspec("compile", good.name, "--out", "out")
        emitted = tmp_path / "out" / "deepspeed" / "ds_config.json"
        emitted.write_text("{}")
        _one_message(ftspec("compile", good.name, "--out", "out"), 2)
        assert emitted.read_text() == "{}"
        assert ftspec("compile", good.name, "--out", "out", "--force").returncode == 0
        assert emitted.read_text() != "{}"

    def test_out_is_a_file(self, ftspec, good: Path, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("mine")
        _one_message(ftspec("compile", good.name, "--out", "out"), 2)
        _one_message(ftspec("compile", good.name, "--out", "out/below"), 2)
        assert (tmp_path / "out").read_text() == "mine"

    def test_a_folder_stands_where_a_file_goes(self, ftspec, good: Path, tmp_path: Path) -> None:
        (tmp_path / "out" / "deepspeed" / "ds_config.json").mkdir(parents=True)
        _one_message(ftspec("compile", good.name, "--out", "out"), 2)
        assert not (tmp_path / "out" / "manifest.json").exists()

    def test_unwritable(self, ftspec, good: Path, tmp_path: Path) -> None:
        if os.geteuid() == 0:
            target = "/proc/out"
        else:
            (tmp_path / "locked").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
            target = "locked/out"
        _one_message(ftspec("compile", good.name, "--out", target), 2)

    def test_errors_write_nothing(self, ftspec, tmp_path: Path) -> None:
        (tmp_path / "bad.ft").write_text(GOOD.replace("zero_stage = 3", "zero_stage = 3  tensor = 3"))
        assert ftspec("compile", "bad.ft", "--out", "out").returncode == 1
        assert not (tmp_path / "out").exists()
        assert [path.name for path in tmp_path.iterdir()] == ["bad.ft"]

    def test_no_leftovers(self, ftspec, good: Path, tmp_path: Path) -> None:
        ftspec("compile", good.name, "--out", "a/b/out")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "job.ft"]
        assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["out"]

    def test_another_set_of_targets_leaves_nothing_stale(self, ftspec, good: Path, tmp_path: Path) -> None:
        for targets in ("deepspeed,hydra", "hydra", "deepspeed,hydra", "deepspeed"):
            assert ftspec("compile", good.name, "--out", "out", "--to", targets).returncode == 0
            assert {path.name for path in (tmp_path / "out").iterdir()} == {*targets.split(","), "manifest.json"}

    def test_a_renamed_option_leaves_nothing_stale(self, ftspec, good: Path, tmp_path: Path) -> None:
        for stage in ("3", "2"):
            command = (
                "compile",
                good.name,
                "--out",
                "out",
                "--to",
                "hydra",
                "--set",
                f"parallelism.zero_stage={stage}",
            )
            assert ftspec(*command).returncode == 0
        assert len(list((tmp_path / "out" / "hydra" / "parallelism").iterdir())) == 1

    def test_a_manifest_cannot_reach_outside(self, ftspec, good: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("mine")
        ftspec("compile", good.name, "--out", "out")
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
        manifest["files"]["../mine.txt"] = {"sha256": hashlib.sha256(b"mine").hexdigest(), "origins": {}}
        (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
        assert ftspec("compile", good.name, "--out", "out").returncode == 0
        assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_name_that_is_no_text(ftspec, good: Path, tmp_path: Path) -> None:
    os.rename(good, os.fsencode(tmp_path) + b"/b\xff.ft")
    for command in (("check",), ("memory",), ("compile", "--out", "out"), ("check", "--format", "json")):
        result = ftspec(command[0], os.fsdecode(b"b\xff.ft"), *command[1:])
        assert result.returncode == 0, result.stderr


def test_output_that_cannot_be_written(tmp_path: Path, good: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "ftspec", "check", str(good), "--format", "json"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("ftspec: cannot write")


def test_a_terminal_without_the_characters(good: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "ftspec", "memory", str(good)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "Llama-3.1-8B" in result.stdout


def test_a_fault_of_ours_is_2_and_no_traceback(tmp_path: Path, good: Path) -> None:
    program = (
        "import sys, ftspec.pipeline as pipeline\n"
        "def broken(*arguments): raise ValueError('broken on purpose')\n"
        "pipeline.estimate_memory = broken\n"
        f"from ftspec.cli import main; sys.exit(main(['check', {str(good)!r}]))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    _one_message(result, 2)
    assert "broken on purpose" in result.stderr


def test_a_setting_without_a_value_is_usage(ftspec, good: Path) -> None:
    assert ftspec("check", good.name, "--set", "parallelism.tensor").returncode == 2


def test_thousands_of_mistakes_are_cut_short(ftspec, tmp_path: Path) -> None:
    (tmp_path / "many.ft").write_text("ft 1\n" + "\n".join(f"unknown_{number} = 1" for number in range(3000)))
    result = ftspec("check", "many.ft")
    _one_message(result, 1)
    assert result.stderr.count("error[") <= 102
    assert "more findings are not shown" in result.stderr
