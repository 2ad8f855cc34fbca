"""Megatron-LM: `arguments.yaml`, `arguments.txt` and `train.sh` for pretrain_gpt.py of megatron-core 0.19.2."""

from collections.abc import Mapping

from ftspec.backends.base import Artefact, TargetOptions
from ftspec.backends.megatron.checks import findings, refusals
from ftspec.backends.megatron.coverage import ELSEWHERE, MAPPED, UNSUPPORTED
from ftspec.backends.megatron.options import MegatronOptions
from ftspec.core.finding import Finding
from ftspec.plan.model import Plan, Stack


class MegatronBackend:
    """The target `megatron`."""

    name = "megatron"
    stacks: tuple[Stack, ...] = ("megatron", "megatron_deepspeed")
    options = MegatronOptions
    mapped: Mapping[str, str] = MAPPED
    elsewhere: Mapping[str, str] = ELSEWHERE
    unsupported: Mapping[str, str] = UNSUPPORTED

    def check(self, plan: Plan, target: TargetOptions) -> list[Finding]:
        """What Megatron refuses or cannot express, and what is wrong with the block's own keys."""
        return findings(plan, target)

    def refuses(self, plan: Plan) -> list[Finding]:
        """What its training loop and its optimizers do not have."""
        return refusals(plan)

    def compile(self, plan: Plan, target: TargetOptions) -> list[Artefact]:
        """The three files. Raises ValueError if Megatron's own schema refuses them: a fault of ours."""
        from ftspec.backends.megatron.argument import arguments_text, arguments_yaml
        from ftspec.backends.megatron.compilation import invalid_arguments, planned_arguments, with_raw
        from ftspec.backends.megatron.script import train_script

        options: MegatronOptions = target.options
        arguments = with_raw(planned_arguments(plan, options), dict(target.raw))
        invalid = invalid_arguments(arguments)
        if invalid:
            raise ValueError("ftspec made arguments that Megatron does not know: " + "; ".join(invalid))
        origins = {argument.flag: argument.origin for argument in arguments}
        launch = {"NNODES": "hardware.nodes", "NPROC_PER_NODE": "hardware.gpus_per_node"}
        return [
            Artefact("megatron/arguments.yaml", arguments_yaml(arguments), origins),
            Artefact("megatron/arguments.txt", arguments_text(arguments), origins),
            Artefact(
                "megatron/train.sh", train_script(plan, options.script, arguments), launch | origins, executable=True
            ),
        ]


BACKEND = MegatronBackend()
