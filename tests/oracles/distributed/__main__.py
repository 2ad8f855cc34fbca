"""Trace in this process: JSON cases on standard input, their peaks as JSON on standard output; or all kept cases anew.

python -m tests.oracles.distributed            cases in, peaks out
python -m tests.oracles.distributed --write    writes tests/memory/distributed_traces.json
"""

import json
import sys
from dataclasses import asdict, fields
from typing import Any

import torch
import transformers

from tests.oracles.distributed.case import Case
from tests.oracles.distributed.golden import GOLDEN, golden_cases
from tests.oracles.distributed.trace import trace


def _row(case: Case) -> dict[str, Any]:
    """What a case says beside the defaults, and its peak."""
    standard = {field.name: field.default for field in fields(Case)}
    said = {name: value for name, value in asdict(case).items() if value != standard[name]}
    return {**said, "stack": case.stack, "peak": trace(case)}


def write() -> None:
    """Trace every kept case anew."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    about = f"Exact bytes at the peak of a rank's step by tests/oracles/distributed, {versions}"
    rows = ",\n".join(json.dumps(_row(case)) for case in golden_cases())
    GOLDEN.write_text(f'{{"about": {json.dumps(about)},\n"rows": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    if "--write" in sys.argv:
        write()
    else:
        json.dump([trace(Case(**each)) for each in json.load(sys.stdin)], sys.stdout)
