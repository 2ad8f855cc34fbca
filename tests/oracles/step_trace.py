"""Exact memory of one training step of a real transformers model, without a GPU and without its memory.

python -m tests.oracles.step_trace
    writes tests/memory/traces.json anew
python -m tests.oracles.step_trace google/gemma-2b sequence_length=4096 method=lora lora_rank=16 lora_targets=all
    traces one step (fields of `Case`) and shows the estimate beside it
"""

import ast
import json
import sys
from dataclasses import replace
from typing import Any

from ftspec.memory.estimate import estimate_memory
from tests.memory.plans import measured_plan
from tests.oracles.traces.case import Case
from tests.oracles.traces.golden import GOLDEN, compact, golden_cases
from tests.oracles.traces.trace import trace, without_collection

__all__ = ["case_of", "show", "trace", "without_collection", "write_golden"]

ORDINARY = Case("", 2, 1024, 1, activation_checkpointing=False, attention="sdpa", dtype="bf16")


def write_golden() -> None:
    """Trace every golden case anew."""
    import torch
    import transformers

    lines = []
    for case in golden_cases():
        lines.append(json.dumps({**compact(case), "peak": trace(case)}))
        print(lines[-1], flush=True)
    about = f"Exact bytes at the peak of a training step by tests/oracles/step_trace.py, torch {torch.__version__}"
    about = json.dumps(f"{about}, transformers {transformers.__version__}")
    GOLDEN.write_text(f'{{"about": {about},\n"rows": [\n' + ",\n".join(lines) + "\n]}\n")


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def case_of(arguments: list[str]) -> Case:
    """A case from a model and `field=value`s."""
    stated = dict(each.split("=", 1) for each in arguments[1:])
    return replace(ORDINARY, model=arguments[0], **{name: _value(text) for name, text in stated.items()})


def show(case: Case) -> None:
    """The trace of one step by category, and the estimate by term."""
    peak = trace(case)
    (stage,) = estimate_memory(measured_plan(compact(case))).stages
    for name, count in peak.items():
        print(f"{name:<22}{count:>18,}")
    print(f"\n{stage.phase}")
    for name, count in stage.terms.items():
        print(f"{name:<22}{count:>18,}")
    error = stage.allocated_peak_bytes / peak["Total"] - 1
    print(f"{'allocated_peak_bytes':<22}{stage.allocated_peak_bytes:>18,}   {error:+.4%}")


if __name__ == "__main__":
    show(case_of(sys.argv[1:])) if sys.argv[1:] else write_golden()
