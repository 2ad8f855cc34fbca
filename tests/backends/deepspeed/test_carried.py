"""Every value of a plan is in the file, elsewhere, or said to be impossible."""

import pytest

from ftspec.backends.deepspeed import BACKEND
from ftspec.backends.deepspeed.carried import MAPPED, owners, spec_path
from ftspec.backends.deepspeed.emit import plan_settings
from ftspec.backends.deepspeed.options import DeepSpeedOptions
from ftspec.plan.fields import plan_paths
from ftspec.spec.methods import Full
from ftspec.spec.model import Checkpointing, Model, Offload, Parallelism, Precision, Scheduler, Training
from ftspec.spec.optimizers import OptimizerChoice
from tests.backends.deepspeed.plans import plan_of

MIXTRAL = Model(from_="mistralai/Mixtral-8x7B-v0.1", num_hidden_layers=4)
LONG = Training(
    method=Full(),
    steps=100,
    activation_checkpointing=Checkpointing("full"),
    learning_rate_scheduler=Scheduler("cosine", 10),
)
PLANS = [
    plan_of(training=LONG, parallelism=Parallelism(zero_stage=3, offload=Offload("cpu", "cpu"))),
    plan_of(parallelism=Parallelism(zero_stage=3, offload=Offload("nvme", "nvme"))),
    plan_of(precision=Precision(compute="fp16"), parallelism=Parallelism(zero_stage=1, pipeline=2)),
    plan_of(precision=Precision(compute="bf16", parameters="fp32"), parallelism=Parallelism(context=2)),
    plan_of(model=MIXTRAL, parallelism=Parallelism(tensor=2, expert=2, expert_tensor=1)),
    plan_of(
        training=Training(optimizer=OptimizerChoice("sgd"), learning_rate_scheduler=Scheduler("linear", 9), steps=50)
    ),
    plan_of(training=Training(optimizer=OptimizerChoice("adamw", fused=False))),
]
"""Between them they use every mapped path."""


def test_the_three_groups_are_a_partition_of_the_plan() -> None:
    groups = [set(BACKEND.mapped), set(BACKEND.elsewhere), set(BACKEND.unsupported)]
    assert set.union(*groups) == set(plan_paths())
    assert sum(map(len, groups)) == len(plan_paths())


def test_what_is_not_in_the_file_has_a_reason() -> None:
    assert all({**BACKEND.elsewhere, **BACKEND.unsupported}.values())


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.precision.compute)
def test_each_setting_names_the_plan_path_that_it_carries(plan: object) -> None:
    for setting in plan_settings(plan, DeepSpeedOptions()):  # type: ignore[arg-type]
        if not setting.origin.startswith("constant: "):
            paths = [path for path in setting.origin.split(", ") if path in MAPPED]
            assert paths
            assert all(setting.key in MAPPED[path].split() for path in paths)
            assert set(setting.origin.split(", ")) <= set(plan_paths())


def test_each_mapped_path_reaches_the_file() -> None:
    settings = [setting for plan in PLANS for setting in plan_settings(plan, DeepSpeedOptions())]
    emitted = {setting.key for setting in settings}
    for path, keys in MAPPED.items():
        assert emitted & set(keys.split()), path


def test_every_emitted_key_that_a_field_decides_has_an_owner() -> None:
    """Raw keys decide the ZeRO settings themselves."""
    for plan in PLANS:
        for setting in plan_settings(plan, DeepSpeedOptions()):
            assert setting.origin.startswith(("constant: ", "zero.")) or setting.key in owners()


@pytest.mark.parametrize(
    ("plan_path", "field"),
    [
        ("parallelism.zero_stage", "parallelism.zero_stage"),
        ("parallelism.offload_optimizer", "parallelism.offload.optimizer"),
        ("training.scheduler.total_steps", "training.learning_rate_scheduler.total_steps"),
        ("training.scheduler.kind", "training.learning_rate_scheduler"),
        ("training.optimizer.kind", "training.optimizer"),
        ("training.checkpoint_every_layers", "training.activation_checkpointing.every"),
    ],
)
def test_a_plan_path_is_written_in_a_field_of_the_language(plan_path: str, field: str) -> None:
    assert spec_path(plan_path) == field
