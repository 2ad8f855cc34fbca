"""The emitted tree under the real Hydra, without any of our code: values, overrides, and nothing stale."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from ftspec.backends.hydra import BACKEND
from ftspec.backends.hydra.groups import plan_groups
from ftspec.backends.hydra.leaf import leaves
from ftspec.backends.hydra.schema import tree_problems
from ftspec.plan.fields import value_at
from tests.backends.hydra.trees import ONE_GPU, PRETRAIN, SMALL, composed, mapping_of, plan_of, write_tree

ODD_NAME = SMALL.replace('"small"', '"a${b}: \\"x\\""')
MIXTURE = """ft 1
name = "moe"
model { from = "mistralai/Mixtral-8x7B-v0.1" }
hardware { gpu = "H100-SXM5-80GB"  nodes = 4  gpus_per_node = 8  network = { kind = infiniband  bandwidth = 400Gbps } }
training {
  stack = megatron
  activation_checkpointing = full
  micro_batch_size = 1
  gradient_accumulation_steps = 8
  steps = 100
}
parallelism { tensor = 2  expert = 4  data = 16  sequence_parallel = true  zero_stage = 1 }
storage { kind = lustre  checkpoint { every = 30min } }
"""
SHAPE = """ft 1
name = "stated"
model {
  num_hidden_layers = 8
  hidden_size = 512
  intermediate_size = 1024
  num_attention_heads = 8
  vocab_size = 32000
}
hardware { gpu = "A100-SXM4-80GB"  nodes = auto  gpus_per_node = 4 }
training {
  stack = deepspeed  method = full  micro_batch_size = 2  global_batch_size = 32  gradient_accumulation_steps = 2
  epochs = 2  dataset { tokens = 10M }
}
parallelism { data = 8  zero_stage = 2 }
"""
ADAPTERS = PRETRAIN.replace(
    "stack = megatron", "stack = fsdp2  method = qlora { rank = 8  targets = attention }"
).replace("tensor = 8  pipeline = 4  sequence_parallel = true  zero_stage = 1", "")
OVER_A_ROW = ONE_GPU.replace('Llama-3.2-1B"', 'Llama-3.2-1B"  num_hidden_layers = 4')
JOBS = {
    "pretrain": PRETRAIN,
    "odd name": ODD_NAME,
    "mixture": MIXTURE,
    "stated shape": SHAPE,
    "adapters": ADAPTERS,
    "over a row": OVER_A_ROW,
}


@pytest.fixture(scope="module", params=JOBS)
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, DictConfig]:
    """A spec's text and its tree as Hydra composes it."""
    text = JOBS[request.param]
    return text, composed(write_tree(text, tmp_path_factory.mktemp("job")))


def stack_of(config: DictConfig) -> Any:
    return config.training.stack


def test_composed_values_are_the_plans(job: tuple[str, DictConfig]) -> None:
    text, config = job
    plan = plan_of(mapping_of(text), stack_of(config))
    assert plan is not None
    assert config.name == plan.name
    simple = {
        path: key
        for path, key in BACKEND.mapped.items()
        if path not in ("model.id", "model.shape", "hardware.network", "training.method.targets")
    }
    compared = 0
    for path, key in simple.items():
        found = OmegaConf.select(config, key, default=_ABSENT)
        if found is not _ABSENT:
            assert found == value_at(plan, path), path
            compared += 1
    assert compared > 40
    for name in ("num_hidden_layers", "hidden_size", "head_dim", "num_key_value_heads", "vocab_size"):
        assert config.model[name] == getattr(plan.model.shape, name)
    assert config.model.get("from", config.model.get("id")) == plan.model.id


_ABSENT = object()


def test_the_resolved_config_fits_the_schema(job: tuple[str, DictConfig]) -> None:
    config = OmegaConf.to_container(job[1], resolve=True)
    assert isinstance(config, dict)
    ours = {str(key): _without_table(value) for key, value in config.items() if key != "ftspec"}
    assert tree_problems(ours) == []


def _without_table(value: Any) -> Any:
    return {key: item for key, item in value.items() if key != "derived"} if isinstance(value, dict) else value


CHANGES: tuple[tuple[str, Any], ...] = (
    ("name", "another"),
    ("parallelism.tensor", 2),
    ("parallelism.pipeline", 2),
    ("parallelism.context", 2),
    ("parallelism.data", 4),
    ("parallelism.expert", 2),
    ("parallelism.virtual_pipeline", 2),
    ("parallelism.zero_stage", 0),
    ("parallelism.zero_stage", 3),
    ("parallelism.expert_tensor", 1),
    ("parallelism.distributed_optimizer", False),
    ("parallelism.schedule", "gpipe"),
    ("hardware.nodes", 2),
    ("hardware.gpus_per_node", 2),
    ("hardware.gpu", "V100-SXM2-32GB"),
    ("hardware.gpu", "CPU"),
    ("hardware.gpu_memory", 40 * 10**9),
    ("precision.compute", "fp16"),
    ("precision.compute", "fp8"),
    ("precision.parameters", "fp32"),
    ("precision.master_parameters", "none"),
    ("training.stack", "deepspeed"),
    ("training.stack", "megatron"),
    ("training.stack", "fsdp2"),
    ("training.optimizer.kind", "sgd"),
    ("training.optimizer.kind", "lion"),
    ("training.optimizer.kind", "adamw_8bit"),
    ("training.method.rank", 64),
    ("training.micro_batch_size", 4),
    ("training.global_batch_size", 64),
    ("training.gradient_accumulation_steps", 4),
    ("training.sequence_length", 2048),
    ("training.tokens", 5 * 10**9),
    ("training.steps", 77),
    ("training.learning_rate_scheduler.total_steps", 5),
    ("training.activation_checkpointing.kind", "none"),
    ("model.from", "Qwen/Qwen2.5-7B"),
    ("model.from", "mistralai/Mixtral-8x7B-v0.1"),
    ("model.num_hidden_layers", 40),
    ("model.hidden_size", 2048),
    ("model.num_attention_heads", 16),
    ("model.num_key_value_heads", 4),
    ("model.max_position_embeddings", 1024),
    ("model.moe.num_experts", 16),
    ("model.moe.moe_intermediate_size", 128),
)


_FOLLOWS_FROM_INPUTS = ("training.global_batch_size", "training.gradient_accumulation_steps", "training.steps")


def _with(mapping: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(mapping)
    *parents, last = path.split(".")
    block = changed
    for parent in parents:
        block = block.setdefault(parent, {})
    block[last] = value
    if path.startswith("training.") and path.count(".") == 2:
        block.setdefault("kind", {"optimizer": "adamw", "method": "full"}.get(parents[1], "constant"))
    return changed


def _text(config: DictConfig, path: str) -> Any:
    """What a file says at a key, interpolations unresolved."""
    value: Any = OmegaConf.to_container(config, resolve=False)
    for key in path.split("."):
        value = value[key]
    return value


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value


@pytest.mark.parametrize(("path", "value"), CHANGES, ids=str)
def test_an_override_never_leaves_a_stale_value(job: tuple[str, DictConfig], path: str, value: Any) -> None:
    """Whatever is overridden: each other value that can still be read is what the changed spec's plan has."""
    text, unchanged = job
    config = copy.deepcopy(unchanged)
    if OmegaConf.select(config, path, default=_ABSENT) is _ABSENT:
        pytest.skip("the job has no such key")
    if path in _FOLLOWS_FROM_INPUTS and "derived" in str(_text(config, path)):
        pytest.skip("it follows from inputs, which stay as they are")
    mapping = copy.deepcopy(mapping_of(text))
    if "gradient_accumulation_steps" not in mapping["training"]:
        mapping["training"].setdefault("global_batch_size", config.training.global_batch_size)
    plan = plan_of(_with(mapping, path, value), stack_of(config))
    if plan is None:
        pytest.skip("the changed spec has no plan")
    OmegaConf.update(config, path, value)
    for group, content in plan_groups(plan).items():
        for key, leaf in leaves(content):
            try:
                found = _plain(OmegaConf.select(config, f"{group}.{key}", default=_ABSENT))
            except InterpolationKeyError:
                continue
            assert found is _ABSENT or found == leaf.value, f"{group}.{key} is stale"


def test_a_stale_value_says_why(tmp_path: Path) -> None:
    config = composed(write_tree(PRETRAIN, tmp_path), "parallelism.tensor=4")
    with pytest.raises(
        InterpolationKeyError, match=r"recompile_with_ftspec_for\[hardware.world_size=128, parallelism.tensor=4"
    ) as error:
        _ = config.parallelism.data
    assert "full_key: parallelism.data" in str(error.value)
    with pytest.raises(InterpolationKeyError):
        OmegaConf.to_container(config, resolve=True)
    with pytest.raises(InterpolationKeyError):
        _ = config.training.gradient_accumulation_steps


def test_an_independent_override_changes_nothing_else(tmp_path: Path) -> None:
    tree = write_tree(PRETRAIN, tmp_path)
    before, after = (
        OmegaConf.to_container(composed(tree, *overrides), resolve=True)
        for overrides in ((), ("training.optimizer.learning_rate=3e-4",))
    )
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after["training"]["optimizer"]["learning_rate"] == 3e-4
    after["training"]["optimizer"]["learning_rate"] = before["training"]["optimizer"]["learning_rate"]
    assert after == before


def test_an_option_of_another_job_can_be_selected(tmp_path: Path) -> None:
    tree = write_tree(PRETRAIN, tmp_path)
    other = write_tree(
        PRETRAIN.replace("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "Qwen/Qwen2.5-7B").replace(
            "tensor = 8  pipeline = 4", "tensor = 4  pipeline = 1"
        ),
        tmp_path / "other",
    )
    for group in ("model", "parallelism"):
        for file in (other / group).iterdir():
            (tree / group / file.name).write_bytes(file.read_bytes())
    config = composed(tree, "model=qwen2.5-7b")
    assert (config.model.num_hidden_layers, config.model.parameters) == (28, 7615616512)
    assert composed(tree, "parallelism=tp4-zero1").parallelism.data == 32


def test_raw_keys_are_merged_and_live(tmp_path: Path) -> None:
    keys = 'folder = "out/${name}"  dollars = "\\\\${x}"  size = 2GiB  odd = ["null", 1e-5]'
    block = f"target hydra {{ raw {{ run {{ {keys} }} }} }}\n"
    config = composed(write_tree(SMALL + block, tmp_path), "name=other")
    assert OmegaConf.to_container(config.run, resolve=True) == {
        "folder": "out/other",
        "dollars": "${x}",
        "size": 2**31,
        "odd": ["null", 1e-5],
    }


def test_unknown_keys_are_refused_by_hydra(tmp_path: Path) -> None:
    tree = write_tree(SMALL, tmp_path)
    for override in ("parallelism.tensr=2", "modl=x", "model=nothing"):
        with pytest.raises((HydraException, OmegaConfBaseException)):
            composed(tree, override)
