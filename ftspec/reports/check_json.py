"""`check --format json`: the findings of every file, of the shape of `schemas/check.schema.json`."""

import json
from collections.abc import Iterable
from typing import Any

from ftspec.checked import Checked
from ftspec.core.finding import Finding
from ftspec.core.source import Span

SCHEMA = "ftspec.check/1"


def check_report(results: Iterable[Checked]) -> str:
    """The report as JSON text, in the order of the files and of their text."""
    files = [
        {"path": result.path, "findings": [finding_report(finding) for finding in result.findings]}
        for result in results
    ]
    return json.dumps({"schema": SCHEMA, "files": files}, indent=2, ensure_ascii=False) + "\n"


def _span(span: Span) -> dict[str, int]:
    return {"line": span.line, "column": span.column, "end_line": span.end_line, "end_column": span.end_column}


def finding_report(finding: Finding) -> dict[str, Any]:
    """One finding, of the shape of `check`'s report."""
    fix = finding.fix
    report: dict[str, Any] = {
        "code": finding.code,
        "severity": str(finding.severity),
        "message": finding.message,
        **_span(finding.span),
        "help": finding.help,
        "fix": fix
        and {"description": fix.description, "edits": [{**_span(edit.span), "text": edit.text} for edit in fix.edits]},
    }
    if finding.span.source:
        report["source"] = finding.span.source
    if finding.related:
        report["related"] = [{"message": related.message, **_span(related.span)} for related in finding.related]
    return report
