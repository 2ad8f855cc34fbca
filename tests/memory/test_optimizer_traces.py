"""The states and the step of every optimizer against traces of the real ones (tests/oracles/optimizer_trace.py)."""

import json
from pathlib import Path
from typing import Any

import pytest

from ftspec.memory.estimate import sections_of
from ftspec.memory.kinds import kinds_of
from ftspec.memory.optimizers.step import step_temporaries, works_in_place
from ftspec.memory.states import stage_states, updated_of
from ftspec.plan.model import Plan
from ftspec.spec.methods import Full, Lora, Partial
from ftspec.spec.model import Model, Parallelism, Precision, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.memory.plans import plan_of

ROWS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("optimizer_traces.json").read_text())["rows"]
METHODS = {
    "full": Full(),
    "lora": Lora(rank=16, targets="all_linear", adapter_dtype="fp32"),
    "partial": Partial(last_layers=1),
}


def plan_of_step(row: dict[str, Any]) -> Plan:
    """The plan of a traced step: one device."""
    optimizer = OptimizerChoice(
        kind=row["optimizer"],
        fused=row["fused"],
        weight_decay=row["weight_decay"],
        momentum=row["momentum"] if row["optimizer"] == "sgd" else None,
    )
    lion = row["optimizer"] == "lion" and not row["fused"]
    return plan_of(
        model=Model(from_=row["model"], num_hidden_layers=row["num_hidden_layers"]),
        training=Training(method=METHODS[row["method"]], optimizer=optimizer),
        precision=Precision(compute="bf16", parameters=row["dtype"], optimizer_states=row["dtype"] if lion else None),
        parallelism=Parallelism(),
    )


def estimated(plan: Plan) -> dict[str, int]:
    """What the estimate says of the same."""
    kinds = kinds_of(plan)
    ((section, _),) = sections_of(plan, kinds)
    states = stage_states(plan, kinds, section)
    made = 0 if works_in_place(plan) else step_temporaries(updated_of(plan, kinds, section))
    return {
        "parameters": states.parameters,
        "gradients": states.gradients,
        "optimizer_states": states.optimizer_states,
        "temporaries": made,
    }


def _name(row: dict[str, Any]) -> str:
    kernel = "fused" if row["fused"] else "loop"
    return f"{row['optimizer']}-{kernel}-{row['model'].split('/')[-1]}-{row['dtype']}-{row['method']}"


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_an_optimizer_keeps_what_the_real_one_does(row: dict[str, Any]) -> None:
    """To the byte."""
    assert estimated(plan_of_step(row)) == row["traced"]
