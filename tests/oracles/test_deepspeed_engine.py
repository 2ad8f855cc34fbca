"""What rules say of the engine, asked of the real engine: these fail when it starts, not when the file is read."""

import json
import os
from collections.abc import Iterator
from typing import Any

import deepspeed
import pytest
import torch

from ftspec.backends.deepspeed import BACKEND
from ftspec.plan.model import Plan
from ftspec.spec.model import Parallelism, Precision, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.deepspeed.plans import cpu_plan, target_of
from tests.oracles.deepspeed_extension import environment


@pytest.fixture(scope="module", autouse=True)
def one_process() -> Iterator[None]:
    """A process group of one."""
    before = dict(os.environ)
    os.environ.update(environment(), RANK="0", WORLD_SIZE="1", LOCAL_RANK="0")
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()
    os.environ.clear()
    os.environ.update(before)


def started(plan: Plan) -> Any:
    """The engine of a small model under the plan's file; raises what DeepSpeed raises."""
    settings = json.loads(BACKEND.compile(plan, target_of())[0].text)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 4))
    engine, *_ = deepspeed.initialize(model=model, model_parameters=model.parameters(), config=settings)
    return engine


def findings(plan: Plan) -> set[str]:
    """The codes that we have for the plan."""
    return {finding.code for finding in BACKEND.check(plan, target_of())}


def plan_at(zero_stage: int, *, optimizer: OptimizerChoice | None = None, **precision: Any) -> Plan:
    """A job of one process."""
    return cpu_plan(
        processes=1,
        training=Training(optimizer=optimizer),
        precision=Precision(compute="bf16", **precision),
        parallelism=Parallelism(zero_stage=zero_stage),
    )


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_fp32_gradients_need_zero(zero_stage: int) -> None:
    assert "FT511" in findings(plan_at(0, gradients="fp32"))
    with pytest.raises(NotImplementedError, match="unsupported mix"):
        started(plan_at(0, gradients="fp32"))
    assert "FT511" not in findings(plan_at(zero_stage, gradients="fp32"))
    assert started(plan_at(zero_stage, gradients="fp32")).get_data_types() == (torch.bfloat16, torch.float32)


def test_without_a_word_gradients_have_the_parameters_type() -> None:
    assert plan_at(0).precision.gradients == "bf16"
    assert started(plan_at(0)).get_data_types() == (torch.bfloat16, torch.bfloat16)


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_pure_bf16_starts_with_bf16_states(zero_stage: int) -> None:
    plan = plan_at(zero_stage, master_parameters="none", optimizer_states="bf16")
    assert findings(plan) == set()
    assert started(plan).optimizer.master_weights_and_grads_dtype == torch.bfloat16


def test_lion_has_no_cpu_kernel() -> None:
    plan = plan_at(2, optimizer=OptimizerChoice(kind="lion"))
    assert "FT532" in findings(plan)
    with pytest.raises(ValueError, match="not been implemented on CPU"):
        started(plan)


@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd", "muon"])
def test_optimizers_start_at_every_stage(kind: Any, zero_stage: int) -> None:
    plan = plan_at(zero_stage, optimizer=OptimizerChoice(kind=kind, learning_rate=1e-3))
    assert findings(plan) == set()
    engine = started(plan)
    assert all(group["lr"] == 1e-3 for group in engine.basic_optimizer.param_groups)


def test_adafactor_factors_only_without_zero() -> None:
    """Under ZeRO its parameters are one flat vector, for which it keeps a full second moment."""
    plan = plan_at(0, optimizer=OptimizerChoice(kind="adafactor"))
    assert findings(plan) == set()
    shapes = [parameter.dim() for group in started(plan).basic_optimizer.param_groups for parameter in group["params"]]
    assert max(shapes) == 2
    sharded = plan_at(2, optimizer=OptimizerChoice(kind="adafactor"))
    assert "FT531" in findings(sharded)
    assert {
        parameter.dim() for group in started(sharded).basic_optimizer.param_groups for parameter in group["params"]
    } == {1}


def test_fp32_adapters_are_cast_to_the_models_type() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(6, 5).bfloat16(), torch.nn.Linear(5, 4))
    model[0].requires_grad_(requires_grad=False)
    settings = json.loads(BACKEND.compile(plan_at(1), target_of())[0].text)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert {parameter.dtype for parameter in trained} == {torch.float32}
    deepspeed.initialize(model=model, model_parameters=trained, config=settings)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
