"""Every plan path is carried by the tree, or it is said why not."""

from pathlib import Path

import yaml
from omegaconf import OmegaConf

from ftspec.backends.hydra import BACKEND
from ftspec.plan.fields import plan_paths
from tests.backends.hydra.trees import PRETRAIN, artefacts_of, composed, write_tree


def test_the_three_sets_share_out_the_plan_paths() -> None:
    sets = (BACKEND.mapped, BACKEND.elsewhere, BACKEND.unsupported)
    assert sorted(path for each in sets for path in each) == sorted(plan_paths())


def test_every_mapped_key_is_in_some_tree(tmp_path: Path) -> None:
    methods = ("full", "lora { rank = 8 }", "qlora { rank = 8 }", "partial { last_layers = 2 }")
    carried: set[str] = set()
    for index, method in enumerate(methods):
        stack = "megatron" if method == "full" else "deepspeed"
        text = PRETRAIN.replace("stack = megatron", f"stack = {stack}  method = {method}")
        config = composed(write_tree(text, tmp_path / str(index)))
        carried |= {
            path
            for path, key in BACKEND.mapped.items()
            if OmegaConf.select(config, key.split(",")[0], default=config) is not config
        }
    assert carried == set(BACKEND.mapped)


def test_every_leaf_of_every_file_has_an_origin() -> None:
    for artefact in artefacts_of(
        PRETRAIN + 'target hydra { launcher = slurm { time = 2h }  raw { run { folder = "x" } } }\n'
    ):
        content = yaml.safe_load(artefact.text)
        for path in _leaf_paths(content):
            assert any(path == key or path.startswith(f"{key}.") for key in artefact.origins), (artefact.path, path)
        for origin in artefact.origins.values():
            assert origin == "raw" or origin.startswith("constant: ") or origin in plan_paths()


def _leaf_paths(value: object, prefix: str = "") -> list[str]:
    if not isinstance(value, dict):
        return [prefix]
    return [
        path for key, item in value.items() for path in _leaf_paths(item, f"{prefix}.{key}" if prefix else str(key))
    ]


def test_compiling_twice_gives_the_same_bytes() -> None:
    assert artefacts_of(PRETRAIN) == artefacts_of(PRETRAIN)
