"""The codes of reading: what keeps a file from becoming a text."""

from ftspec.core.finding import Severity
from ftspec.core.rule import Rule, declare

MAXIMUM_BYTES = 1 << 20
"""The largest text that is read, in bytes: a spec is a page or two, and more is a mix-up."""


def _error(code: str, title: str, explanation: str) -> Rule:
    return declare(code, Severity.ERROR, title, explanation, "", "")


NOT_FOUND = _error("FT001", "there is no such file", "The path leads nowhere, or through a link whose file is gone.")
NOT_A_FILE = _error(
    "FT002",
    "the path is not a file",
    "A spec is read from a regular file. Folders, pipes and devices are not opened: reading one may never end. "
    "Standard input is read with `-`.",
)
NOT_READABLE = _error("FT003", "the file cannot be read", "The system refused to open or read it, and says why.")
TOO_LARGE = _error(
    "FT005", "the file is too large", f"A spec has at most {MAXIMUM_BYTES:,} bytes; more than that is not read."
)
BINARY = _error("FT006", "the file is not text", "It has NUL bytes, which no text has.")
NOT_UTF8 = _error("FT007", "the file is not in UTF-8", "Specs are UTF-8 text, with or without a byte order mark.")

UNREADABLE_CODES: frozenset[str] = frozenset(rule.code for rule in (NOT_FOUND, NOT_A_FILE, NOT_READABLE))
"""The codes of files that cannot be read at all; the others speak of what is in them."""
