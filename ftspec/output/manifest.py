"""`manifest.json`: what a compile wrote, and where every emitted value came from."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence

from ftspec import __version__
from ftspec.backends.base import Artefact
from ftspec.backends.registry import Compiled
from ftspec.core.source import COMMAND_LINE
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


def manifest_artefact(spec_path: str, texts: Mapping[str, str], compiled: Sequence[Compiled]) -> Artefact:
    """The manifest of a compile. `texts` are the spec's text under its path and the texts of `--set`.

    The spec is named without its folder, so that the same spec gives the same bytes.
    """
    entries = {artefact.path: _entry(artefact, each.plan) for each in compiled for artefact in each.artefacts}
    settings = texts[COMMAND_LINE].splitlines()
    content = {
        "schema": SCHEMA,
        "ftspec_version": __version__,
        "spec": {"file": os.path.basename(spec_path), "sha256": digest(texts[spec_path]), "settings": settings},
        "files": dict(sorted(entries.items())),
    }
    return Artefact(MANIFEST, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _entry(artefact: Artefact, plan: Plan) -> dict[str, object]:
    return {
        "sha256": digest(artefact.text),
        "origins": {key: _origin(value, plan) for key, value in artefact.origins.items()},
    }


def _origin(value: str, plan: Plan) -> dict[str, str]:
    """Where an emitted value comes from: plan paths (several, joined by ", ") with their own origins, or a phrase."""
    origins = [plan.origins.get(path) for path in value.split(", ")]
    if None in origins:
        return {"origin": value}
    return {"plan": value, "origin": "; ".join(str(origin) for origin in origins)}
