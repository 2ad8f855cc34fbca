"""Megatron's own `report_theoretical_memory`, asked in a child process with the real argument parser.

It counts weights, gradients, master copy and moments (18 bytes a parameter, or 6 + 12 / data), and activations by
Korthikanti et al. 2022: (10 + 24 / tensor) s b h a layer, or table 2's with sequence parallelism and selective
recomputation. So it covers full training with fp32 states under tensor, pipeline and data parallelism, whose attention
keeps no scores; full recomputation, training in 16 bits throughout, and a sequence that is divided over a context group
cannot be said. A row of another stack on
one GPU is asked for as Megatron would run that model: its fp32 states are the same, its operations are Megatron's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

from benchmarks.peers.tool import Asked, Figures, Tool
from ftspec.plan.model import Plan, PrecisionPlan

MEGABYTE = 1024 * 1024
Question = tuple[list[str], int, int]
"""Arguments, GPUs, and micro-batches in a step."""

MIXED = PrecisionPlan("bf16", "bf16", "fp32", "fp32", "fp32")


def is_expressible(plan: Plan) -> bool:
    """What the report has a formula for."""
    training, precision = plan.training, plan.precision
    alone = plan.hardware.world_size == 1
    full = training.method.kind == "full" and training.optimizer.kind in ("adam", "adamw")
    wide = precision.compute != "fp32" and "fp32" in (precision.parameters, precision.master_parameters)
    kept = training.activation_checkpointing != "full" and training.attention != "eager"
    whole = plan.parallelism.context == 1
    return (training.stack == "megatron" or alone) and full and wide and kept and whole


def as_megatron(plan: Plan) -> Plan:
    """The plan as Megatron would run it."""
    if plan.training.stack == "megatron":
        return plan
    training = replace(plan.training, stack="megatron")
    return replace(plan, training=training, precision=MIXED, parallelism=replace(plan.parallelism, zero_stage=0))


def estimate(several: Sequence[Asked]) -> list[Figures | None]:
    """The report's total and its weights and optimizer; None as well where Megatron refuses the arguments."""
    import megatron.core  # noqa: F401

    asked = [index for index, each in enumerate(several) if not each.stage and is_expressible(each.plan)]
    questions = [_question(several[index].plan) for index in asked]
    answers = _in_a_child(questions) if questions else []
    figures: list[Figures | None] = [None] * len(several)
    for index, answer in zip(asked, answers, strict=True):
        figures[index] = Figures(*answer) if answer is not None else None
    return figures


def _question(plan: Plan) -> Question:
    from tests.oracles.megatron_memory import megatron_arguments

    steps = plan.training.gradient_accumulation_steps
    return megatron_arguments(as_megatron(plan)), plan.hardware.world_size, steps


def _in_a_child(questions: list[Question]) -> list[list[int] | None]:
    environment = {**os.environ, "RANK": "0", "LOCAL_RANK": "0", "CUDA_DEVICE_MAX_CONNECTIONS": "1"}
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.megatron"],
        input=json.dumps(questions),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answers: list[list[int] | None] = json.loads(child.stdout)
    return answers


def _answer(arguments: list[str], world_size: int, micro_batches: int) -> list[int] | None:
    from megatron.training.arguments import parse_args, validate_args
    from megatron.training.theoretical_memory_usage import report_theoretical_memory

    os.environ["WORLD_SIZE"] = str(world_size)
    sys.argv = ["pretrain_gpt.py", *arguments]
    try:
        args: Any = parse_args()
        validate_args(args)
        states, _, total = report_theoretical_memory(args, num_microbatches=micro_batches)
    except (Exception, SystemExit) as refusal:
        print(refusal, file=sys.stderr)
        return None
    return [round(total * MEGABYTE), round(states * MEGABYTE)]


def main() -> None:
    """Answer the questions on standard input."""
    from tests.oracles.megatron_oracle import patch

    with redirect_stdout(sys.stderr):
        patch()
        answers = [_answer(*question) for question in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


MEGATRON = Tool(
    "Megatron's report", "megatron-core", "full mixed-precision training without full recomputation", estimate
)

if __name__ == "__main__":
    main()
