"""Writing a compile's files: all of them or none."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping

from ftspec.backends.base import Artefact
from ftspec.output.manifest import MANIFEST, file_digest, manifest_digests

_EXECUTABLE, _PLAIN = 0o755, 0o644


class OutputRefused(Exception):
    """The output directory cannot take the files; the message says why and what to do."""


def write_artefacts(directory: str, artefacts: Iterable[Artefact], force: bool = False) -> list[str]:
    """Write the artefacts under `directory` and return their paths, sorted.

    Everything is staged beside the directory first and moved into place last, so that a full disk or a
    missing permission leaves nothing half-written. What was there before comes back if a move fails.
    Files of an earlier compile that this one does not write are removed: a stale file beside new ones misleads.
    Raises OutputRefused for a directory that holds files which are not ftspec's own, unless `force`.
    """
    files = {artefact.path: artefact for artefact in artefacts}
    directory = os.path.abspath(directory)
    try:
        _refuse_foreign_files(directory, files, force)
        parent = _existing_parent(directory)
        staging = tempfile.mkdtemp(prefix=".ftspec-", dir=parent)
        try:
            _stage(os.path.join(staging, "new"), files)
            _move_into_place(staging, directory, sorted(files), _stale(directory, files))
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputRefused(f"cannot write to {error.filename or directory}: {reason}; nothing was written") from error
    return [os.path.join(directory, path) for path in sorted(files)]


def _existing_parent(directory: str) -> str:
    """The nearest existing folder above the output directory: on the same file system, so that moving is renaming."""
    parent = directory if os.path.isdir(directory) else os.path.dirname(directory)
    while not os.path.isdir(parent):
        if os.path.lexists(parent):
            raise OutputRefused(f"{parent} is not a directory; nothing was written")
        parent = os.path.dirname(parent)
    return parent


def _refuse_foreign_files(directory: str, files: Mapping[str, Artefact], force: bool) -> None:
    if not os.path.lexists(directory):
        return
    if not os.path.isdir(directory):
        raise OutputRefused(f"{directory} is not a directory; nothing was written. Name another one with --out")
    if force:
        return
    present = os.listdir(directory)
    known = manifest_digests(os.path.join(directory, MANIFEST))
    if known is None and present:
        raise OutputRefused(
            f"{directory} already holds files that ftspec did not write ({sorted(present)[0]}); nothing was written. "
            "Name an empty directory with --out, or add --force"
        )
    for path in sorted(files):
        target = os.path.join(directory, path)
        if path != MANIFEST and os.path.lexists(target) and file_digest(target) != (known or {}).get(path):
            raise OutputRefused(
                f"{target} was changed since ftspec wrote it, or is not ftspec's; nothing was written. "
                "Move it away, or add --force"
            )


def _stale(directory: str, files: Mapping[str, Artefact]) -> list[str]:
    """What an earlier compile wrote, nobody changed and this compile does not write, innermost folders first."""
    known = manifest_digests(os.path.join(directory, MANIFEST)) or {}
    return sorted(
        path
        for path, digest in known.items()
        if path not in files and file_digest(os.path.join(directory, path)) == digest
    )


def _stage(staging: str, files: Mapping[str, Artefact]) -> None:
    for path, artefact in files.items():
        target = os.path.join(staging, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8", newline="\n") as file:
            file.write(artefact.text)
        os.chmod(target, _EXECUTABLE if artefact.executable else _PLAIN)


def _move_into_place(staging: str, directory: str, paths: list[str], stale: list[str]) -> None:
    """Move staged files into the directory and stale ones out; all that goes is kept aside until all are there."""
    made = _make_folders({os.path.dirname(os.path.join(directory, path)) for path in paths})
    moved: list[str] = []
    try:
        for path in (*paths, *stale):
            moved.append(path)
            target, aside = os.path.join(directory, path), os.path.join(staging, "old", path)
            if os.path.lexists(target):
                os.makedirs(os.path.dirname(aside), exist_ok=True)
                os.rename(target, aside)
            if path not in stale:
                os.rename(os.path.join(staging, "new", path), target)
    except OSError:
        _move_back(staging, directory, moved)
        _remove_folders(made)
        raise
    for path in stale:
        _remove_empty_folders(directory, os.path.dirname(path))


def _make_folders(folders: Iterable[str]) -> list[str]:
    """Make the folders and their parents; those that were new come back, outermost first."""
    made: list[str] = []
    for folder in sorted(folders):
        missing = []
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)  # noqa: PLW2901 (walks upwards)
        for each in reversed(missing):
            try:
                os.mkdir(each)
            except OSError:
                _remove_folders(made)
                raise
            made.append(each)
    return made


def _remove_folders(made: list[str]) -> None:
    for folder in reversed(made):
        os.rmdir(folder)


def _remove_empty_folders(directory: str, inner: str) -> None:
    while inner:
        folder = os.path.join(directory, inner)
        if os.path.isdir(folder) and os.listdir(folder):
            return
        with contextlib.suppress(FileNotFoundError):  # another stale file's folder went with it
            os.rmdir(folder)
        inner = os.path.dirname(inner)


def _move_back(staging: str, directory: str, paths: list[str]) -> None:
    for path in reversed(paths):
        target, aside = os.path.join(directory, path), os.path.join(staging, "old", path)
        if os.path.lexists(aside):
            os.replace(aside, target)
        elif os.path.lexists(target):
            os.unlink(target)
