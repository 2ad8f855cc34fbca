"""`explain FILE PATH`: the values of a plan, and where each came from."""

import re
from dataclasses import fields
from typing import Any

from ftspec.catalog.shape import ModelShape
from ftspec.catalog.shape_parts import MlaShape, MoeShape
from ftspec.memory.terms import terms
from ftspec.plan.fields import plan_paths, value_at
from ftspec.plan.model import Plan
from ftspec.plan.origin import Origin

_SHAPE = "model.shape"
_SHAPE_SHOWN = (
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "tie_word_embeddings",
    "moe",
    "mla",
)
_SPEC_NAMES = {
    "parallelism.offload.": "parallelism.offload_",
    "training.learning_rate_scheduler": "training.scheduler",
    "model.from": "model.id",
}
_SPEC_BLOCKS = {"parallelism.offload": "parallelism.offload_"}
"""Blocks of a spec whose fields lie beside others in the plan."""


def known_paths() -> tuple[str, ...]:
    """Every path that has an origin, the fields of the shape among them."""
    return (*plan_paths(), *(f"{_SHAPE}.{each.name}" for each in fields(ModelShape)))


def paths_at(path: str) -> tuple[str, ...]:
    """The leaves at a path or below it, by the plan's names or the spec's; of the shape those that every model has."""
    for written, stored in _SPEC_NAMES.items():
        path = stored + path.removeprefix(written) if path.startswith(written) else path
    exact = [each for each in known_paths() if each == path]
    start = _SPEC_BLOCKS.get(path, f"{path}.")
    below = [each for each in plan_paths() if each.startswith(start)]
    return tuple(part for each in exact or below for part in _expanded(each))


def _expanded(path: str) -> tuple[str, ...]:
    return tuple(f"{_SHAPE}.{name}" for name in _SHAPE_SHOWN) if path == _SHAPE else (path,)


def origin_lines(plan: Plan, paths: tuple[str, ...], names: dict[str, str] | None = None) -> list[str]:
    """`training.sequence_length = 4,096   given at job.ft:12:14`, a line each; `names` are told after the path."""
    leaves = [part for path in paths for part in _expanded(path)]
    said = {path: f"{path}{(names or {}).get(path, '')} = {value_in_words(value_at(plan, path))}" for path in leaves}
    width = max(map(len, said.values()), default=0)
    return [f"{words:<{width}}   {origin_of(plan, path)}" for path, words in said.items()]


def derivation_lines(plan: Plan, path: str, depth: int = 1) -> list[str]:
    """The values that a derived one was derived from, and so on, each further in."""
    origin = origin_of(plan, path)
    if origin.kind != "derived":
        return []
    lines: list[str] = []
    for name in dict.fromkeys(re.findall(r"[a-z_]+", origin.detail)):
        source = _path_named(name, path)
        if source is not None:
            lines += [f"{'  ' * depth}{line}" for line in origin_lines(plan, (source,))]
            lines += derivation_lines(plan, source, depth + 1)
    return lines


def _path_named(name: str, path: str) -> str | None:
    """The plan path that a formula means by a name: of its own block, else the only one of that name; a field of a
    block in a block is meant there alone, as `targets` may be a word.
    """
    named = [each for each in plan_paths() if each.rpartition(".")[2] == name and each != path]
    own = [each for each in named if _parent(each) == _parent(path)]
    outer = [each for each in named if each.count(".") < 2]
    return own[0] if own else outer[0] if len(named) == len(outer) == 1 else None


def origin_of(plan: Plan, path: str) -> Origin:
    """The origin of a leaf. A field of the shape is given where the spec overrides it, else the shape's."""
    name = path.removeprefix(f"{_SHAPE}.")
    if name == path:
        return plan.origins[path]
    place = plan.places.get(f"model.{name}")
    return Origin("given", f"model.{name}", place) if place else plan.origins[_SHAPE]


def value_in_words(value: Any) -> str:
    """A value as a spec would say it; of a row of the catalog its id."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, MoeShape):
        return f"{value.num_experts:,} experts, top {value.num_experts_per_tok}"
    if isinstance(value, MlaShape):
        return f"keys and values in {value.kv_lora_rank:,} numbers a token"
    if hasattr(value, "__dataclass_fields__"):
        return str(getattr(value, "id", type(value).__name__))
    return str(value)


def users_of(path: str) -> list[str]:
    """The terms of memory that depend on a plan value."""
    return [f"memory.{name}" for name, term in terms().items() if path in term.inputs or _parent(path) in term.inputs]


def _parent(path: str) -> str:
    return path.rpartition(".")[0]
