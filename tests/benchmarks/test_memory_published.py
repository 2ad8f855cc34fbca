"""The command that holds estimates against published measurements, and where it looks for them."""

import json
from pathlib import Path

import pytest

from benchmarks.memory_published import IN_REFERENCE, main

KEPT = Path(__file__).parent.parent / "memory" / "published.json"


def test_without_the_data_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--reference", str(tmp_path)])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"{tmp_path / IN_REFERENCE} does not exist" in printed.err


def test_the_folder_is_that_of_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / IN_REFERENCE
    path.parent.mkdir()
    path.write_text(KEPT.read_text(encoding="utf-8"), encoding="utf-8")
    main(["--json", "--reference", str(tmp_path)])
    assert json.loads(capsys.readouterr().out)["all"]["rows"] > 10
