"""Reading files: whatever a path leads to gives a text or one finding, and nothing is waited for."""

import io
import os
import socket
from pathlib import Path

import pytest

from ftspec.core.source import Span
from ftspec.syntax import reading
from ftspec.syntax.reading import MAXIMUM_BYTES, UNREADABLE_CODES, read_source


def refused(path: object) -> tuple[str, str, str]:
    """Code, message and help of the one finding that a path gives."""
    text, findings = read_source(path)  # type: ignore[arg-type]
    assert text is None
    (finding,) = findings
    assert finding.help
    return finding.code, finding.message, finding.help


def written(folder: Path, data: bytes) -> Path:
    path = folder / "job.ft"
    path.write_bytes(data)
    return path


def test_reads_a_text(tmp_path: Path) -> None:
    assert read_source(written(tmp_path, "ft 1\r\n# é\n".encode())) == ("ft 1\r\n# é\n", [])
    assert read_source(str(tmp_path / "job.ft"))[0] is not None


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    assert read_source(written(tmp_path, b"\xef\xbb\xbfft 1\n")) == ("ft 1\n", [])


def test_an_empty_file_is_a_text(tmp_path: Path) -> None:
    assert read_source(written(tmp_path, b"")) == ("", [])


def test_missing_file_and_the_nearest_name(tmp_path: Path) -> None:
    path = written(tmp_path, b"")
    assert refused(tmp_path / "jobb.ft") == ("FT001", "there is no such file", f"did you mean `{path}`?")
    assert refused(tmp_path / "nothing" / "alike")[0] == "FT001"
    assert refused("")[0] == "FT001"


def test_a_link_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    link = tmp_path / "link.ft"
    link.symlink_to("gone.ft")
    code, message, _ = refused(link)
    assert code == "FT001"
    assert "gone.ft" in message


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "link.ft"
    link.symlink_to(written(tmp_path, b"ft 1"))
    assert read_source(link) == ("ft 1", [])


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert refused(tmp_path / "a")[0] == "FT003"


def test_a_folder(tmp_path: Path) -> None:
    assert refused(tmp_path)[:2] == ("FT002", "this is a folder, not a spec")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe")[:2] == ("FT002", "this is a pipe, not a file")


def test_a_pipe_that_takes_the_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regular = os.stat(written(tmp_path, b""))
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(reading.os, "stat", lambda path: regular)
    assert refused(tmp_path / "pipe")[0] == "FT002"


def test_a_device_and_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused("/dev/zero")[:2] == ("FT002", "this is a device, not a file")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert refused("socket")[:2] == ("FT002", "this is a socket, not a file")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading.os, "open", denied)
    assert refused(written(tmp_path, b""))[:2] == ("FT003", "this file cannot be read: permission denied")


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "/etc/passwd/x"])
def test_paths_that_no_system_takes(path: str) -> None:
    assert refused(path)[0] == "FT003"


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, b"")
    os.truncate(path, 1 << 40)
    assert refused(path)[:2] == ("FT005", "this file has more than 1,048,576 bytes")
    assert read_source(written(tmp_path, b"#" * MAXIMUM_BYTES))[0] is not None


def test_binary(tmp_path: Path) -> None:
    assert refused(written(tmp_path, b"ft 1\n\x7fELF\0\0"))[:2] == ("FT006", "this file is not text: byte 10 is NUL")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_named(tmp_path: Path, encoding: str) -> None:
    code, message, help = refused(written(tmp_path, "ft 1".encode(encoding)))
    assert code in {"FT006", "FT007"}
    assert "UTF-16" in message + help


@pytest.mark.parametrize(
    ("data", "byte", "span"),
    [
        (b'ft 1\nname = "caf\xe9"\n', 17, Span(2, 12, 2, 13)),
        ("ft 1\n# é".encode() + b"\xff", 10, Span(2, 4, 2, 5)),
        (b"\xef\xbb\xbf\xff", 4, Span(1, 1, 1, 2)),
        (b"\xef\xbb\xbfft\n1\xff", 8, Span(2, 2, 2, 3)),
        (b"ft \xe2\x82", 4, Span(1, 4, 1, 5)),
    ],
)
def test_where_a_byte_is_not_utf8(tmp_path: Path, data: bytes, byte: int, span: Span) -> None:
    text, (finding,) = read_source(written(tmp_path, data))
    assert text is None
    assert (finding.code, finding.span) == ("FT007", span)
    assert finding.message.startswith(f"byte {byte} ")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.sys, "stdin", io.TextIOWrapper(io.BytesIO("ft 1 # é".encode()), "ascii"))
    assert read_source("-") == ("ft 1 # é", [])
    monkeypatch.setattr(reading.sys, "stdin", None)
    assert refused("-")[0] == "FT003"


def test_which_codes_mean_that_nothing_could_be_read() -> None:
    assert {"FT001", "FT002", "FT003"} == UNREADABLE_CODES
