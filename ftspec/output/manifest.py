"""`manifest.json`: what a compile wrote, and where every emitted value came from."""

import hashlib
import json
import os
from collections.abc import Iterable

from ftspec import __version__
from ftspec.backends.base import Artefact
from ftspec.plan.model import Plan

MANIFEST = "manifest.json"
SCHEMA = "ftspec.manifest/1"


def digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: str) -> str | None:
    """SHA-256 of a file's bytes; None if it is not a plain file. Raises OSError if it cannot be read."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_digests(path: str) -> dict[str, str] | None:
    """Path → digest of the files that a manifest lists; None if there is no manifest of ours."""
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
        if manifest.get("schema") != SCHEMA:
            return None
        digests = {name: entry["sha256"] for name, entry in manifest["files"].items()}
        return {name: digest for name, digest in digests.items() if _lies_inside(name)}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None


def _lies_inside(path: str) -> bool:
    """Whether a path stays below the folder that it is relative to: a manifest is a file that anybody may edit."""
    return not os.path.isabs(path) and os.path.normpath(path) == path and path.split("/", maxsplit=1)[0] != ".."


def manifest_artefact(spec_path: str, spec_text: str, plans: Iterable[Plan], artefacts: Iterable[Artefact]) -> Artefact:
    """The manifest of a compile. The spec is named without its folder, so that the same spec gives the same bytes."""
    origins: dict[str, str] = {}
    for plan in plans:
        origins = {path: str(origin) for path, origin in plan.origins.items()} | origins
    content = {
        "schema": SCHEMA,
        "ftspec_version": __version__,
        "spec": {"file": os.path.basename(spec_path), "sha256": digest(spec_text)},
        "files": {
            artefact.path: _entry(artefact, origins) for artefact in sorted(artefacts, key=lambda each: each.path)
        },
    }
    return Artefact(MANIFEST, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _entry(artefact: Artefact, origins: dict[str, str]) -> dict[str, object]:
    return {
        "sha256": digest(artefact.text),
        "origins": {key: _origin(path, origins) for key, path in artefact.origins.items()},
    }


def _origin(path: str, origins: dict[str, str]) -> dict[str, str]:
    return {"plan": path, "origin": origins[path]} if path in origins else {"origin": path}
