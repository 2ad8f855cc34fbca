"""`memory --format json`: the estimates of every job, of the shape of `schemas/memory.schema.json`."""

import json
from collections.abc import Iterable
from typing import Any

from ftspec.checked import Job
from ftspec.memory.estimate_model import StageMemory
from ftspec.memory.padding import padding_by_stage
from ftspec.memory.phases import Phase, phases_of
from ftspec.reports.check_json import finding_report
from ftspec.reports.job_report import JobReport, Otherwise

SCHEMA = "ftspec.memory/1"


def memory_report(reports: Iterable[JobReport]) -> str:
    """The report as JSON text: one job a plan, in the order of the files and of their stacks."""
    jobs = [
        {
            **_job(report.path, report.job),
            "advice": [
                {**each._asdict(), "settings": list(each.settings), "warnings": list(each.warnings)}
                for each in report.advice
            ],
            "what_if": [_otherwise(report.path, *each) for each in report.what_if],
        }
        for report in reports
    ]
    return json.dumps({"schema": SCHEMA, "jobs": jobs}, indent=2, ensure_ascii=False) + "\n"


def _otherwise(path: str, otherwise: Otherwise, job: Job | None) -> dict[str, Any]:
    return {
        "settings": list(otherwise.settings),
        "findings": [finding_report(finding) for finding in otherwise.findings],
        "job": job and _job(path, job),
    }


def _job(path: str, job: Job) -> dict[str, Any]:
    memory = job.memory
    return {
        "path": path,
        "variant": None,
        "stack": job.plan.training.stack,
        "verdict": memory.verdict,
        "host_verdict": memory.host.verdict,
        "capacity_bytes": memory.capacity_bytes,
        "peak_bytes": memory.peak_bytes,
        "interval_bytes": list(memory.interval_bytes),
        "host_bytes_per_node": memory.host.bytes_per_node,
        "host_capacity_bytes": memory.host.capacity_bytes,
        "host_terms": dict(memory.host.terms),
        "nvme_bytes_per_node": memory.host.nvme_bytes_per_node,
        "stages": [
            _stage(*each) for each in zip(memory.stages, padding_by_stage(job.plan), phases_of(job.plan), strict=True)
        ],
    }


def _stage(stage: StageMemory, padding: int, phases: tuple[Phase, ...]) -> dict[str, Any]:
    return {
        "pipeline_stage": stage.pipeline_stage,
        "phase": stage.phase,
        "terms": dict(stage.terms),
        "allocated_peak_bytes": stage.allocated_peak_bytes,
        "peak_bytes": stage.peak_bytes,
        "padding_bytes": padding,
        "phases": [{"phase": phase.name, "allocated_bytes": phase.allocated_bytes} for phase in phases],
    }
