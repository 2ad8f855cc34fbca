"""The command line's contract: exit codes, streams, JSON of a stable shape."""

import json
from pathlib import Path

import jsonschema

from ftspec.core.resources import resource_path
from ftspec.core.source import Span
from ftspec.memory.estimate_model import TERMS
from tests.commands.conftest import GOOD

DOES_NOT_FIT = GOOD.replace("zero_stage = 3", "zero_stage = 0")


def _valid(name: str, text: str) -> dict:
    report = json.loads(text)
    schema = json.loads(resource_path("schemas", f"{name}.schema.json").read_text())
    jsonschema.validate(report, schema)
    return report


def test_good_spec(ftspec, good: Path) -> None:
    result = ftspec("check", good.name)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "error" not in result.stderr


def test_does_not_fit_is_3(ftspec, tmp_path: Path) -> None:
    (tmp_path / "large.ft").write_text(DOES_NOT_FIT)
    assert ftspec("check", "large.ft").returncode == 3
    assert ftspec("compile", "large.ft", "--out", "out").returncode == 3
    result = ftspec("memory", "large.ft")
    assert result.returncode == 3
    assert "does not fit" in result.stdout


def test_strict_lets_warnings_fail(ftspec, tmp_path: Path) -> None:
    (tmp_path / "warned.ft").write_text(
        GOOD.replace("global_batch_size = 64", "global_batch_size = 64  sequence_length = 4k")
    )
    assert ftspec("check", "warned.ft").returncode == 0
    assert ftspec("check", "--strict", "warned.ft").returncode == 1


def test_check_json(ftspec, tmp_path: Path) -> None:
    (tmp_path / "bad.ft").write_text(GOOD.replace("zero_stage", "zero_stge"))
    result = ftspec("check", "--format", "json", "bad.ft")
    assert result.returncode == 1
    report = _valid("check", result.stdout)
    (file,) = report["files"]
    finding = next(each for each in file["findings"] if each["severity"] == "error")
    line = GOOD.replace("zero_stage", "zero_stge").splitlines()[finding["line"] - 1]
    assert line[finding["column"] - 1 : finding["end_column"] - 1] == "zero_stge"
    assert "zero_stage" in finding["message"] + str(finding["help"])


def test_memory_json(ftspec, good: Path) -> None:
    result = ftspec("memory", "--format", "json", good.name)
    report = _valid("memory", result.stdout)
    (job,) = report["jobs"]
    for stage in job["stages"]:
        assert set(stage["terms"]) == set(TERMS)
        allocated = sum(value for term, value in stage["terms"].items() if term != "framework_overhead")
        assert allocated == stage["allocated_peak_bytes"]
        assert stage["peak_bytes"] == allocated + stage["terms"]["framework_overhead"]
    assert job["peak_bytes"] == max(stage["peak_bytes"] for stage in job["stages"])


def test_set_overrides_and_points_at_itself(ftspec, good: Path) -> None:
    assert ftspec("check", good.name, "--set", "parallelism.zero_stage=0").returncode == 3
    result = ftspec("check", good.name, "--set", "parallelism.zero_stage=7")
    assert result.returncode == 1
    assert "--set" in result.stderr
    assert "^" in result.stderr


def test_compile_to(ftspec, good: Path, tmp_path: Path) -> None:
    result = ftspec("compile", good.name, "--out", "out", "--to", "deepspeed,hydra")
    assert result.returncode == 0, result.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    _valid("manifest", json.dumps(manifest))
    assert {name.split("/")[0] for name in manifest["files"]} == {"deepspeed", "hydra"}
    written = {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    assert written == {*manifest["files"], "manifest.json"}
    assert result.stdout.split() == [str(tmp_path / "out" / name) for name in sorted(written)]


def test_compile_unknown_target(ftspec, good: Path, tmp_path: Path) -> None:
    result = ftspec("compile", good.name, "--out", "out", "--to", "deepspeed,nobody")
    assert result.returncode == 2
    assert "nobody" in result.stderr
    assert not (tmp_path / "out").exists()


def test_compile_without_target(ftspec, good: Path, tmp_path: Path) -> None:
    good.write_text(GOOD.replace("target deepspeed {}\n", ""))
    result = ftspec("compile", good.name, "--out", "out")
    assert result.returncode == 2
    assert "target" in result.stderr


def test_init_checks_clean_and_refuses_twice(ftspec, tmp_path: Path) -> None:
    assert ftspec("init", "first").returncode == 0
    checked = ftspec("check", "--strict", "first.ft")
    assert checked.returncode == 0, checked.stderr
    assert ftspec("compile", "first.ft", "--out", "out").returncode == 0
    assert ftspec("init", "first").returncode == 2
    assert ftspec("init", "no-such-folder/first").returncode == 2


def test_explain(ftspec) -> None:
    listed = ftspec("explain", "all")
    assert listed.returncode == 0
    assert "FT401" in listed.stdout
    shown = ftspec("explain", "ft401")
    assert shown.returncode == 0
    assert "ft 1" in shown.stdout
    assert ftspec("explain", "FT999").returncode == 2


def test_catalog(ftspec) -> None:
    assert "meta-llama/Llama-3.1-8B" in ftspec("catalog", "models").stdout
    assert "8,030,261,248" in ftspec("catalog", "models", "llama-3.1-8b").stdout
    assert "H100-SXM5-80GB" in ftspec("catalog", "hardware", "h100").stdout
    assert ftspec("catalog", "models", "llama").returncode == 2


def test_schema(ftspec) -> None:
    names = ftspec("schema").stdout.split()
    assert {"spec", "check", "memory", "manifest"} <= set(names)
    for name in names:
        jsonschema.Draft202012Validator.check_schema(json.loads(ftspec("schema", name).stdout))
    assert ftspec("schema", "nothing").returncode == 2


def test_standard_input(ftspec) -> None:
    assert ftspec("check", "-", stdin=GOOD).returncode == 0


def test_output_is_the_same_every_time(ftspec, good: Path) -> None:
    first, second = (ftspec("memory", "--format", "json", good.name).stdout for _ in range(2))
    assert first == second


def test_spans_are_plain_tuples_of_the_text() -> None:
    assert Span(1, 2, 1, 4).to(Span(2, 1, 2, 5)) == Span(1, 2, 2, 5)
