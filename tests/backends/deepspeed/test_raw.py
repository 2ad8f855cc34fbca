"""Raw keys: each mistake gets one finding at its place, with what to write instead."""

from typing import Any

import pytest

from ftspec.backends.deepspeed import BACKEND
from ftspec.core.finding import Finding
from ftspec.core.source import Place, Span
from ftspec.core.units import Dimension, Quantity
from ftspec.spec.model import Offload, Parallelism, Precision
from tests.backends.deepspeed.plans import plan_of, target_of

PLAN = plan_of(parallelism=Parallelism(zero_stage=3, offload=Offload("cpu")))


def found(raw: dict[str, Any], places: dict[str, Place] | None = None) -> list[Finding]:
    """What is said of the raw keys."""
    return BACKEND.check(PLAN, target_of(raw=raw, places=places))


@pytest.mark.parametrize(
    ("raw", "message", "help"),
    [
        ({"gradient_cliping": 1.0}, "no key gradient_cliping at the top level", "write gradient_clipping"),
        ({"zero_optimisation": {"stage": 3}}, "no key zero_optimisation", "write zero_optimization"),
        (
            {"zero_optimization": {"stage3_max_live_parametrs": 1}},
            "no key stage3_max_live_parametrs in zero_optimization",
            "write stage3_max_live_parameters",
        ),
        (
            {"zero_optimization": {"offload_optimizer": {"pinmemory": True}}},
            "no key pinmemory in zero_optimization.offload_optimizer",
            "write pin_memory",
        ),
        ({"overlap_comm": True}, "no key overlap_comm at the top level", "it belongs in zero_optimization"),
    ],
)
def test_unknown_keys(raw: dict[str, Any], message: str, help: str) -> None:
    (finding,) = found(raw)
    assert finding.code == "FT500"
    assert message in finding.message
    assert finding.help == help


@pytest.mark.parametrize(
    ("raw", "help"),
    [
        ({"wall_clock_breakdown": "true"}, "true or false"),
        ({"steps_per_print": 0}, "of at least 1"),
        ({"zero_optimization": {"reduce_bucket_size": "5e8"}}, "a whole number above 0"),
        ({"zero_optimization": {"reduce_bucket_size": 0.5}}, "a whole number above 0"),
        ({"zero_optimization": {"overlap_comm": "auto"}}, "true or false"),
        ({"zero_optimization": 3}, "a block"),
        ({"zero_optimization": {"zero_hpz_partition_size": "4"}}, "a whole number"),
        ({"communication_data_type": "float32"}, "one of fp32, fp16, bf16"),
        ({"zero_optimization": {"reduce_bucket_size": Quantity(500, Dimension.BYTES)}}, "the plain number, 500"),
    ],
)
def test_wrong_values(raw: dict[str, Any], help: str) -> None:
    (finding,) = found(raw)
    assert finding.code == "FT501"
    assert finding.help is not None
    assert help in finding.help


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"train_batch_size": 16}, "training.global_batch_size"),
        ({"zero_optimization": {"stage": 2}}, "parallelism.zero_stage"),
        ({"fp16": {"enabled": True}}, "precision.compute"),
        ({"zero_optimization": {"offload_param": {"device": "cpu"}}}, "parallelism.offload.parameters"),
        ({"zero_optimization": {"cpu_offload": True}}, "parallelism.offload.optimizer"),
        ({"optimizer": {"params": {"lr": 0.1}}}, "training.optimizer.learning_rate"),
        ({"scheduler": {"type": "WarmupLR"}}, "training.learning_rate_scheduler"),
        ({"tensor_parallel": {"autotp_size": 2}}, "parallelism.tensor"),
        ({"data_types": {"grad_accum_dtype": "fp32"}}, "precision.gradients"),
        ({"pipeline": {"stages": 4}}, "parallelism.pipeline"),
    ],
)
def test_contradictions_name_the_field_to_write(raw: dict[str, Any], field: str) -> None:
    (finding,) = found(raw)
    assert finding.code == "FT502"
    assert finding.help == f"leave it out of raw and write {field}"


@pytest.mark.parametrize(
    "raw",
    [
        {"train_batch_size": 8},
        {"zero_optimization": {"stage": 3, "sub_group_size": 1000}},
        {"tensor_parallel": {"autotp_size": 1, "tp_overlap_comm": False}},
        {"activation_checkpointing": {"cpu_checkpointing": True}},
        {"flops_profiler": {"enabled": True, "profile_step": 5}},
        {"aio": {"queue_depth": 16}},
        {"communication_data_type": "fp32"},
        {"pipeline": {"stages": "auto"}},
        {"pipeline": {"stages": 1, "partition": "best"}},
        {"fp16": {"enabled": False, "initial_scale_power": 16}},
        {"bf16": {"check_grad_overflow": True}},
        {"zero_optimization": {"zero_hpz_partition_size": 4, "zero_quantized_gradients": True}},
        {"zero_optimization": {"zero_hpz_partition_size": 16}},
    ],
)
def test_what_agrees_with_the_plan_or_adds_to_it_is_fine(raw: dict[str, Any]) -> None:
    assert found(raw) == []


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"fp16": {"loss_scale": 128}}, "holds its parameters in bf16"),
        ({"pipeline": {"partition": "uniform"}}, "has no pipeline"),
        ({"zero_optimization": {"zero_hpz_partition_size": 4}}, "zero_stage = 2"),
        ({"zero_optimization": {"zero_quantized_gradients": True}}, "zero_stage = 2"),
        ({"zero_optimization": {"stage3_max_live_parameters": 5}}, "zero_stage = 2"),
        ({"zero_optimization": {"max_live_parameters": 5}}, "zero_stage = 2"),
    ],
)
def test_a_key_of_a_part_that_is_off_has_no_effect(raw: dict[str, Any], why: str) -> None:
    (finding,) = BACKEND.check(plan_of(parallelism=Parallelism(zero_stage=2)), target_of(raw=raw))
    assert finding.code == "FT505"
    assert why in finding.message


def test_a_part_that_is_on_takes_its_keys() -> None:
    raw = {"fp16": {"loss_scale": 128}, "pipeline": {"partition": "uniform", "stages": 2}}
    plan = plan_of(precision=Precision(compute="fp16"), parallelism=Parallelism(pipeline=2))
    assert BACKEND.check(plan, target_of(raw=raw)) == BACKEND.check(plan, target_of())


def test_a_secondary_partition_divides_the_gpus() -> None:
    (finding,) = found({"zero_optimization": {"zero_hpz_partition_size": 3}})
    assert finding.code == "FT501"
    assert "does not divide the 8 GPUs" in finding.message
    assert finding.help == "write 2, 4 or 8"


def test_removed_and_deprecated_keys() -> None:
    (removed,) = found({"sparse_gradients": True})
    assert removed.code == "FT503"
    (deprecated,) = found({"zero_optimization": {"stage3_gather_fp16_weights_on_model_save": True}})
    assert deprecated.code == "FT504"
    assert deprecated.help == "write gather_16bit_weights_on_model_save"


def test_a_finding_stands_at_the_key_and_a_wrong_value_at_the_value() -> None:
    key, value = Span(3, 5, 3, 20), Span(3, 23, 3, 30)
    places = {"raw.zero_optimization": Place("job.ft", Span(2, 1, 2, 5), value)}
    wrong = {**places, "raw.zero_optimization.reduce_bucket_size": Place("job.ft", key, value)}
    assert found({"zero_optimization": {"reduce_bucket_size": "x"}}, wrong)[0].span == value
    unknown = {**places, "raw.zero_optimization.reduce_buket_size": Place("job.ft", key, value)}
    assert found({"zero_optimization": {"reduce_buket_size": 1}}, unknown)[0].span == key


def test_all_mistakes_are_found_at_once() -> None:
    codes = sorted(
        finding.code for finding in found({"gradient_cliping": 1, "train_batch_size": 9, "steps_per_print": "x"})
    )
    assert codes == ["FT500", "FT501", "FT502"]
