"""`memory --format json`: the estimates of every job, of the shape of `schemas/memory.schema.json`."""

import json
from collections.abc import Iterable
from typing import Any

from ftspec.checked import Checked, Job
from ftspec.memory.estimate_model import StageMemory

SCHEMA = "ftspec.memory/1"


def memory_report(results: Iterable[Checked]) -> str:
    """The report as JSON text: one job a plan, in the order of the files and of their stacks."""
    jobs = [_job(result.path, job) for result in results for job in result.jobs]
    return json.dumps({"schema": SCHEMA, "jobs": jobs}, indent=2, ensure_ascii=False) + "\n"


def _job(path: str, job: Job) -> dict[str, Any]:
    memory = job.memory
    return {
        "path": path,
        "variant": None,
        "stack": job.plan.training.stack,
        "verdict": memory.verdict,
        "capacity_bytes": memory.capacity_bytes,
        "peak_bytes": memory.peak_bytes,
        "interval_bytes": list(memory.interval_bytes),
        "stages": [_stage(stage) for stage in memory.stages],
    }


def _stage(stage: StageMemory) -> dict[str, Any]:
    return {
        "pipeline_stage": stage.pipeline_stage,
        "phase": stage.phase,
        "terms": dict(stage.terms),
        "allocated_peak_bytes": stage.allocated_peak_bytes,
        "peak_bytes": stage.peak_bytes,
    }
