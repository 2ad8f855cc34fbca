"""File to text. Whatever a path leads to gives a text or one finding, and nothing is waited for."""

import os
import stat
import sys

from ftspec.core.finding import Finding
from ftspec.core.source import START, Span
from ftspec.syntax.reading_codes import (
    BINARY,
    MAXIMUM_BYTES,
    NOT_A_FILE,
    NOT_FOUND,
    NOT_READABLE,
    NOT_UTF8,
    TOO_LARGE,
    UNREADABLE_CODES,
)

__all__ = ["MAXIMUM_BYTES", "STANDARD_INPUT", "UNREADABLE_CODES", "decode", "read_source"]

STANDARD_INPUT = "-"
"""The path that means standard input."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_TEXT_HELP = "name a spec; a text in UTF-16 must be saved as UTF-8"


def read_source(path: str | os.PathLike[str]) -> tuple[str | None, list[Finding]]:
    """The text of a spec, or None with one finding. Never reads more than `MAXIMUM_BYTES` and a byte."""
    name = os.fspath(path)
    try:
        data = _read_standard_input() if name == STANDARD_INPUT else _read_file(name)
    except (OSError, ValueError) as error:
        return None, [_unreadable(name, error)]
    return (None, [data]) if isinstance(data, Finding) else decode(data)


def decode(data: bytes) -> tuple[str | None, list[Finding]]:
    """The text that a file's bytes stand for, or None with one finding."""
    if len(data) > MAXIMUM_BYTES:
        return None, [
            TOO_LARGE.finding(
                f"this file has more than {MAXIMUM_BYTES:,} bytes",
                START,
                "check that it is a spec; put parts of a large one into imports",
            )
        ]
    if data[:2] in _UTF16:
        return None, [NOT_UTF8.finding("this file is in UTF-16", START, "save it as UTF-8")]
    zero = data.find(b"\0")
    if zero >= 0:
        return None, [BINARY.finding(f"this file is not text: byte {zero + 1:,} is NUL", START, _NOT_TEXT_HELP)]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        # After a byte order mark the codec counts from behind it.
        offset = error.start + len(data) - len(error.object)
        return None, [_not_utf8(data, offset)]


def _read_file(name: str) -> bytes | Finding:
    refusal = _refusal(os.stat(name).st_mode)
    if refusal:
        return refusal
    # Not blocking, and looked at again once open: a pipe may have taken the file's place.
    descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        return _refusal(os.fstat(descriptor).st_mode) or file.read(MAXIMUM_BYTES + 1)


def _read_standard_input() -> bytes | Finding:
    if sys.stdin is None:
        return NOT_READABLE.finding("standard input is closed", START, "name a file, or pipe a spec in")
    return sys.stdin.buffer.read(MAXIMUM_BYTES + 1)


def _refusal(mode: int) -> Finding | None:
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return NOT_A_FILE.finding("this is a folder, not a spec", START, "name a `.ft` file in it")
    kind = "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
    return NOT_A_FILE.finding(f"this is a {kind}, not a file", START, "to read what a program writes, pipe it to `-`")


def _unreadable(name: str, error: Exception) -> Finding:
    if isinstance(error, FileNotFoundError):
        if os.path.islink(name):
            return NOT_FOUND.finding(
                f"this link leads to `{os.readlink(name)}`, which is not there", START, "repair the link"
            )
        return NOT_FOUND.finding("there is no such file", START, _nearest_file(name))
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return NOT_READABLE.finding(
        f"this file cannot be read: {reason[0].lower()}{reason[1:]}", START, "check the path and its permissions"
    )


def _nearest_file(name: str) -> str:
    from ftspec.core.suggest import nearest

    folder, base = os.path.split(name)
    try:
        meant = nearest(base, os.listdir(folder or "."))
    except (OSError, ValueError):
        meant = None
    return (
        f"did you mean `{os.path.join(folder, meant)}`?"
        if meant
        else "check the path; `ftspec init` writes a first spec"
    )


def _not_utf8(data: bytes, offset: int) -> Finding:
    line = data.count(b"\n", 0, offset) + 1
    start = data.rfind(b"\n", 0, offset) + 1
    column = len(data[start:offset].decode("utf-8-sig")) + 1
    return NOT_UTF8.finding(
        f"byte {offset + 1:,} (0x{data[offset]:02x}) is not UTF-8",
        Span(line, column, line, column + 1),
        "save the file as UTF-8, or write this character anew",
    )
