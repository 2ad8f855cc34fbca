"""The Hydra target: a config tree whose derived values cannot go stale, and a launch command."""

from collections.abc import Mapping
from typing import Any

from ftspec.backends.base import Artefact, Backend, TargetOptions
from ftspec.backends.hydra.checks import check_target
from ftspec.backends.hydra.coverage import ELSEWHERE, MAPPED, UNSUPPORTED
from ftspec.backends.hydra.options import HydraOptions
from ftspec.core.finding import Finding
from ftspec.plan.model import Plan, Stack


class HydraBackend:
    """Emits `hydra/config.yaml` and a file for each config group."""

    name: str = "hydra"
    stacks: tuple[Stack, ...] = ("deepspeed", "megatron", "megatron_deepspeed", "fsdp2", "ddp")
    options: type[Any] = HydraOptions
    mapped: Mapping[str, str] = MAPPED
    elsewhere: Mapping[str, str] = ELSEWHERE
    unsupported: Mapping[str, str] = UNSUPPORTED

    def check(self, plan: Plan, target: TargetOptions) -> list[Finding]:
        """What the tree cannot hold, and what is wrong with the block."""
        return check_target(plan, target)

    def refuses(self, plan: Plan) -> list[Finding]:
        """Nothing: no stack is Hydra's."""
        return []

    def compile(self, plan: Plan, target: TargetOptions) -> list[Artefact]:
        """The files of the tree."""
        from ftspec.backends.hydra.compilation import compile_tree

        return compile_tree(plan, target)


BACKEND: Backend = HydraBackend()
