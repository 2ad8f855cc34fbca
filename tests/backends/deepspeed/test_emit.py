"""The text of the file and where its values come from."""

import json
from typing import Any

import pytest

from ftspec.backends.base import Artefact
from ftspec.backends.deepspeed import BACKEND
from ftspec.backends.deepspeed.settings import flattened
from ftspec.spec.model import Checkpointing, Offload, Parallelism, Precision, Scheduler, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.deepspeed.plans import cpu_plan, plan_of, target_of


def emitted(target: Any = None, **blocks: Any) -> Artefact:
    """The one file of a plan."""
    (artefact,) = BACKEND.compile(plan_of(**blocks), target or target_of())
    return artefact


def content(artefact: Artefact) -> dict[str, Any]:
    """What is in the file."""
    read: dict[str, Any] = json.loads(artefact.text)
    return read


def test_the_text_is_the_same_every_time_and_ends_in_a_newline() -> None:
    first, second = emitted(), emitted()
    assert first == second
    assert first.path == "deepspeed/ds_config.json"
    assert first.text.endswith("\n}\n")
    assert first.text.startswith('{\n  "train_batch_size": 8,\n  "train_micro_batch_size_per_gpu": 1,\n')


def test_every_value_has_an_origin() -> None:
    artefact = emitted(target_of(raw={"wall_clock_breakdown": True, "zero_optimization": {"reduce_bucket_size": 1000}}))
    assert set(artefact.origins) == set(flattened(content(artefact)))
    assert artefact.origins["wall_clock_breakdown"] == artefact.origins["zero_optimization.reduce_bucket_size"] == "raw"
    assert artefact.origins["train_batch_size"] == "training.global_batch_size"


def test_raw_keys_are_merged_at_every_depth() -> None:
    raw = {
        "zero_optimization": {"reduce_bucket_size": 1000, "offload_optimizer": {"pin_memory": False}},
        "steps_per_print": 10,
    }
    parallelism = Parallelism(zero_stage=2, offload=Offload("cpu"))
    read = content(emitted(target_of(raw=raw), parallelism=parallelism))
    assert read["steps_per_print"] == 10
    assert read["zero_optimization"]["reduce_bucket_size"] == 1000
    assert read["zero_optimization"]["stage"] == 2
    assert read["zero_optimization"]["offload_optimizer"] == {"device": "cpu", "pin_memory": False}


def test_both_16_bit_modes_are_stated() -> None:
    read = content(emitted(precision=Precision(compute="fp16")))
    assert read["bf16"] == {"enabled": False}
    assert read["fp16"]["enabled"] is True
    assert read["fp16"]["loss_scale"] == 0
    assert read["fp16"]["initial_scale_power"] == 16


def test_no_clipping_is_stated_as_deepspeed_clips_by_default() -> None:
    assert content(emitted(training=Training(gradient_clipping=0.0)))["gradient_clipping"] == 0.0


@pytest.mark.parametrize(
    ("stack", "pipeline", "stated"), [("deepspeed", 1, True), ("deepspeed", 2, False), ("megatron_deepspeed", 1, False)]
)
def test_deepspeed_cuts_the_layers_where_the_script_does_not(stack: Any, pipeline: int, stated: bool) -> None:
    layout = Parallelism(tensor=2, pipeline=pipeline, zero_stage=1)
    read = content(emitted(training=Training(stack=stack), parallelism=layout))
    assert ("tensor_parallel" in read) is stated
    assert ("train_batch_size" in read) is not stated


def test_offloaded_moments_have_a_stated_type() -> None:
    read = content(emitted(parallelism=Parallelism(zero_stage=2, offload=Offload("cpu"))))
    assert read["optimizer"]["params"]["fp32_optimizer_states"] is True


def test_one_kernel_for_each_parameter_is_torchs() -> None:
    read = content(emitted(training=Training(optimizer=OptimizerChoice("adamw", fused=False))))
    assert read["optimizer"]["params"]["torch_adam"] is True
    assert read["optimizer"]["params"]["foreach"] is False


def test_adam_is_not_adamw() -> None:
    """DeepSpeed takes the name Adam for AdamW unless told so."""
    assert (
        content(emitted(training=Training(optimizer=OptimizerChoice("adam"))))["optimizer"]["params"]["adam_w_mode"]
        is False
    )


def test_a_cpu_has_no_fused_optimizer() -> None:
    read = json.loads(BACKEND.compile(cpu_plan(), target_of())[0].text)
    assert read["optimizer"]["params"]["torch_adam"] is True


def test_a_file_that_breaks_deepspeeds_schema_is_our_fault() -> None:
    with pytest.raises(ValueError, match="wrong at"):
        emitted(target_of(raw={"no_such_key": 1}))


@pytest.mark.parametrize(
    ("key", "paths"),
    [
        ("optimizer.params.betas", {"training.optimizer.beta1", "training.optimizer.beta2"}),
        (
            "scheduler.params.cos_min_ratio",
            {"training.scheduler.minimum_learning_rate", "training.optimizer.learning_rate"},
        ),
        ("bf16.enabled", {"precision.compute", "precision.parameters"}),
        ("bf16.bf16_optimizer_states", {"precision.optimizer_states", "precision.master_parameters"}),
        (
            "activation_checkpointing.number_checkpoints",
            {
                "training.activation_checkpointing",
                "training.checkpoint_every_layers",
                "model.shape",
                "parallelism.pipeline",
            },
        ),
    ],
)
def test_a_value_of_several_plan_values_names_them_all(key: str, paths: set[str]) -> None:
    training = Training(
        activation_checkpointing=Checkpointing("full", 2), learning_rate_scheduler=Scheduler("cosine", 10), steps=100
    )
    assert set(emitted(training=training).origins[key].split(", ")) == paths


def test_a_constant_rate_rises_from_0_whatever_its_minimum() -> None:
    schedule = Scheduler("constant", 50, 100, 1e-6)
    artefact = emitted(training=Training(learning_rate_scheduler=schedule))
    assert content(artefact)["scheduler"]["params"]["warmup_min_lr"] == 0.0
    assert artefact.origins["scheduler.params.warmup_min_lr"].startswith("constant: ")
