"""`memory`: phases, advice, and what would be otherwise; as text and as JSON."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftspec.core.resources import resource_path
from ftspec.pipeline import check_text
from ftspec.reports.job_report import job_reports, otherwise
from ftspec.reports.memory_json import memory_report
from ftspec.reports.memory_table import print_memory
from ftspec.spec.setting_lists import split_settings
from tests.commands.conftest import GOOD

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
DEEP = EXAMPLES / "llama-3.1-405b-pretrain.ft"
TWO_STACKS = EXAMPLES / "deepseek-r1-70b.ft"


def reported(text: str, *what_if: str, settings: tuple[str, ...] = ()) -> dict:
    """The JSON of a text, held to its schema."""
    checked = check_text(text, "job.ft", settings)
    others = [otherwise(checked, settings, split_settings(each)) for each in what_if]
    report = json.loads(memory_report(job_reports(checked, others)))
    jsonschema.validate(report, json.loads(resource_path("schemas", "memory.schema.json").read_text()))
    return report


def shown(capsys: pytest.CaptureFixture[str], path: Path, width: int, *what_if: str) -> str:
    """The text of a file's report."""
    checked = check_text(path.read_text(), path.name)
    print_memory(job_reports(checked, [otherwise(checked, (), split_settings(each)) for each in what_if]), width)
    return capsys.readouterr().out


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ft")), ids=lambda path: path.stem)
def test_the_highest_phase_is_the_peak(path: Path) -> None:
    for job in reported(path.read_text())["jobs"]:
        for stage in job["stages"]:
            phases = {each["phase"]: each["allocated_bytes"] for each in stage["phases"]}
            assert len(phases) == len(stage["phases"])
            assert phases[stage["phase"]] == max(phases.values()) == stage["allocated_peak_bytes"]
            assert next(iter(phases)) == "forward"
            assert list(phases)[-1] == "optimizer_step"


def test_advice_names_the_largest_terms_of_the_fullest_stage() -> None:
    for job in reported(TWO_STACKS.read_text())["jobs"]:
        fullest = max(job["stages"], key=lambda stage: stage["peak_bytes"])
        terms = list(dict.fromkeys(row["term"] for row in job["advice"]))
        assert terms
        for row in job["advice"]:
            assert row["bytes"] == fullest["terms"][row["term"]]
            assert (row["change"] is None) == (row["settings"] == []) == (row["saves_bytes"] == 0)


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("path", [DEEP, TWO_STACKS, EXAMPLES / "llama-3.1-8b-zero3.ft"], ids=lambda path: path.stem)
def test_no_line_is_wider_than_the_terminal(capsys: pytest.CaptureFixture[str], path: Path, width: int) -> None:
    for text in (shown(capsys, path, width), shown(capsys, path, width, "parallelism.zero_stage=1", "name=other")):
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text


def test_a_deep_pipeline_shows_its_ends_and_its_fullest_stage(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, DEEP, 80)
    assert "4 of 16 stages" in text
    (heading,) = [line for line in text.splitlines() if "┃ term" in line]
    assert "stage 0 " in heading
    assert "stage 15 " in heading
    assert "◀" in heading


def test_stages_that_are_alike_share_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    """Under GPipe every stage holds all micro-batches, so those between the ends are alike."""
    gpipe = GOOD.replace("zero_stage = 3", "pipeline = 8  schedule = gpipe").replace("target deepspeed {}", "")
    print_memory(job_reports(check_text(gpipe, "job.ft", ["training.stack=megatron"])), 160)
    (heading,) = [line for line in capsys.readouterr().out.splitlines() if "┃ term" in line]
    assert "stages 1-6" in heading


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from((0, 1, 2, 3)),
    st.sampled_from((1, 2, 8)),
    st.sampled_from(("none", "full")),
    st.sampled_from(('lora { rank = 8  targets = ["q_proj", "v_proj"] }', "full")),
)
def test_what_if_is_what_set_gives(zero_stage: int, tensor: int, checkpointing: str, method: str) -> None:
    changes = (
        f"parallelism.zero_stage={zero_stage}",
        f"parallelism.tensor={tensor}",
        f"training.activation_checkpointing={checkpointing}",
        f"training.method={method}",
    )
    (base,) = reported(GOOD, ", ".join(changes))["jobs"]
    ((what_if),) = base["what_if"]
    assert what_if["settings"] == list(changes)
    again = check_text(GOOD, "job.ft", changes)
    if again.exit_code in (0, 3):
        (job,) = reported(GOOD, settings=changes)["jobs"]
        assert what_if["job"] == {key: value for key, value in job.items() if key not in ("advice", "what_if")}
    else:
        assert what_if["job"] is None
        assert {each["code"] for each in what_if["findings"] if each["severity"] == "error"} <= {
            each.code for each in again.findings
        }


def test_what_if_of_two_stacks_compares_like_with_like() -> None:
    jobs = reported(TWO_STACKS.read_text(), "parallelism.tensor=4")["jobs"]
    assert [job["what_if"][0]["job"]["stack"] for job in jobs] == [job["stack"] for job in jobs]
    assert len(jobs) == 2


def test_what_if_on_another_stack() -> None:
    (job,) = reported(GOOD.replace("target deepspeed {}", ""), "training.stack=fsdp2")["jobs"]
    assert job["stack"] != "fsdp2"
    assert job["what_if"][0]["job"]["stack"] == "fsdp2"


def test_a_refused_what_if_has_its_finding_and_the_files_exit_code(ftspec, good: Path) -> None:
    result = ftspec("memory", good.name, "--what-if", "parallelism.tensor=3", "--what-if", "parallelism.zero_stage=0")
    assert result.returncode == 0
    assert "what if parallelism.tensor=3, in job.ft:" in result.stderr
    assert "error[FT202]" in result.stderr
    assert "what if 1: parallelism.tensor=3: refused (" in result.stdout
    assert "FT401" in result.stderr
    assert "does not fit" in result.stdout


def test_what_if_of_standard_input_and_of_several_files(ftspec, good: Path) -> None:
    assert "what if 1" in ftspec("memory", "-", "--what-if", "parallelism.zero_stage=2", stdin=GOOD).stdout
    (good.parent / "other.ft").write_text(GOOD)
    result = ftspec("memory", good.name, "other.ft", "--what-if", "parallelism.zero_stage=2")
    assert result.stdout.count("what if 1: parallelism.zero_stage=2") == 2


def test_a_what_if_without_a_value_is_usage(ftspec, good: Path) -> None:
    assert ftspec("memory", good.name, "--what-if", "parallelism.tensor").returncode == 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.b=1", ["a.b=1"]),
        ("a.b=1,c=2", ["a.b=1", "c=2"]),
        ("a.b=1, c.d = 2", ["a.b=1", "c.d = 2"]),
        ('m=lora { targets = ["q", "v"] }, c=2', ['m=lora { targets = ["q", "v"] }', "c=2"]),
        ("a=max(1, 2),b=3", ["a=max(1, 2)", "b=3"]),
        ('name="x, y=1", b=3', ['name="x, y=1"', "b=3"]),
        (r'name="a\", b=1", b=3', [r'name="a\", b=1"', "b=3"]),
        ("name=hello, world", ["name=hello, world"]),
    ],
)
def test_settings_are_cut_between_settings_only(text: str, parts: list[str]) -> None:
    assert split_settings(text) == parts


def test_json_loads_no_tables(good: Path) -> None:
    program = (
        "import sys; from ftspec.cli import main; "
        f"code = main(['memory', {str(good)!r}, '--format', 'json']); "
        "sys.exit(code or bool({'rich', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def test_what_is_offloaded_is_shown_on_the_host(ftspec, good: Path) -> None:
    change = "parallelism.offload.optimizer=cpu"
    assert "a node's main memory" in ftspec("memory", good.name, "--what-if", change).stdout
    assert "a node's main memory" not in ftspec("memory", good.name, "--what-if", "parallelism.zero_stage=2").stdout


@pytest.mark.parametrize("change", ["training.sequence_length=0", "training.sequence_length=x", "training.sequnce=1"])
def test_a_refused_value_leaves_nothing_to_estimate(ftspec, good: Path, change: str) -> None:
    result = ftspec("memory", good.name, "--set", change, "--format", "json")
    assert (result.returncode, json.loads(result.stdout)["jobs"]) == (1, [])
    result = ftspec("memory", good.name, "--set", change, "--what-if", "parallelism.tensor=2")
    assert result.stdout == "job.ft: no estimate until its errors are mended; whether it fits is not judged\n"
    assert ftspec("explain", good.name, "memory.peak", "--set", change).stdout == ""


def test_a_job_that_only_a_rule_refuses_has_numbers(ftspec, good: Path) -> None:
    result = ftspec("memory", good.name, "--set", "parallelism.tensor=3", "--format", "json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["jobs"][0]["peak_bytes"] > 0


def test_what_no_what_if_can_change_is_shown_all_the_same(ftspec, good: Path) -> None:
    result = ftspec("memory", good.name, "--what-if", "parallelism.tensor=3")
    (amounts,) = [line for line in result.stdout.splitlines() if line.startswith("│ parameters")]
    assert len(amounts.split("│")) == 4


@pytest.mark.parametrize(
    ("what_if", "place", "message"),
    [
        ("training.foo=1", "--what-if:2:10", "`training` has no `foo`"),
        ("name=x,training.seed=y", "--what-if:2:22", "no `let` named `y`"),
        ("parallelism.tensor=", "--what-if:2:1", "`parallelism.tensor` has no value"),
    ],
)
def test_a_what_if_that_nothing_understands(ftspec, good: Path, what_if: str, place: str, message: str) -> None:
    fine = ("--set", "training.seed=1", "--what-if", "parallelism.zero_stage=2")
    result = ftspec("memory", good.name, *fine, "--what-if", what_if)
    assert result.returncode == 1
    assert f"--> {place}\n" in result.stderr
    assert message in result.stderr


def test_host_memory_that_is_too_small_is_in_the_headline(ftspec, good: Path) -> None:
    small = ("--set", "parallelism.offload.optimizer=cpu", "--set", "hardware.host_memory=64GB")
    result = ftspec("memory", good.name, *small)
    lines = result.stdout.splitlines()
    (host,) = [number for number, line in enumerate(lines) if line.startswith("does not fit into each node's main")]
    assert "fits: " in lines[host + 1]
    (job,) = json.loads(ftspec("memory", good.name, *small, "--format", "json").stdout)["jobs"]
    assert (job["verdict"], job["host_verdict"]) == ("fits", "does_not_fit")
    assert "too much" in ftspec("memory", good.name, *small, "--what-if", "training.seed=1").stdout
    (job,) = reported(GOOD, settings=(small[1], "hardware.host_memory=1TB"))["jobs"]
    assert job["host_verdict"] == "fits"
    assert reported(GOOD)["jobs"][0]["host_verdict"] is None


def test_padding_is_told_where_it_weighs(ftspec, good: Path) -> None:
    assert "are padding" not in ftspec("memory", good.name).stdout
    gpt2 = ("--set", "model.from=gpt2", "--set", "training.sequence_length=1Ki")
    megatron = (
        "--set",
        "training.stack=megatron",
        "--set",
        "parallelism.zero_stage=0",
        "--set",
        "parallelism.tensor=4",
    )
    good.write_text(GOOD.replace("target deepspeed {}", ""))
    text = ftspec("memory", good.name, *gpt2, *megatron).stdout
    (line,) = [line for line in text.splitlines() if "are padding" in line]
    (job,) = json.loads(ftspec("memory", good.name, *gpt2, *megatron, "--format", "json").stdout)["jobs"]
    assert f" {job['stages'][0]['padding_bytes'] / 2**20:.2f} MiB are padding" in f" {line}"


def test_amounts_of_a_tiny_job_are_in_mib(ftspec, good: Path) -> None:
    good.write_text("""ft 1
model { from = "gpt2"  num_hidden_layers = 2  vocab_size = 1024 }
hardware { gpu = "L40S"  nodes = 1  gpus_per_node = 1 }
training { stack = ddp  sequence_length = 128 }
""")
    (job,) = json.loads(ftspec("memory", good.name, "--format", "json").stdout)["jobs"]
    text = ftspec("memory", good.name).stdout
    assert f"fits: {job['peak_bytes'] / 2**20:.2f} MiB (" in text
    (row,) = [line for line in text.splitlines() if line.startswith("│ parameters")]
    assert row.split("│")[2].strip() == f"{job['stages'][0]['terms']['parameters'] / 2**20:.2f}"
    compared = ftspec("memory", good.name, "--what-if", "training.micro_batch_size=512").stdout
    assert "GiB on the most loaded GPU" in compared, "one of the two is larger"
    assert ", MiB:" in ftspec("explain", good.name, "memory.activations").stdout


def test_of_many_stages_the_ends_the_fullest_and_a_middle_one_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    deep = GOOD.replace("nodes = 1", "nodes = 32").replace("zero_stage = 3", "pipeline = 32").replace("= 64", "= 2048")
    checked = check_text(deep.replace("target deepspeed {}", ""), "job.ft", ["training.stack=megatron"])
    print_memory(job_reports(checked), 160)
    text = capsys.readouterr().out
    (heading,) = [line for line in text.splitlines() if "┃ term" in line]
    shown_stages = [int(word.split()[1]) for word in heading.split("┃")[2:-1]]
    fullest = checked.jobs[0].memory.fullest.pipeline_stage
    assert shown_stages == sorted({0, fullest, 31, shown_stages[len(shown_stages) // 2]})
    assert any(8 < stage < 24 for stage in shown_stages)
    assert f"{len(shown_stages)} of 32 stages" in text
