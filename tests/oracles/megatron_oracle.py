"""The real Megatron-LM 0.19.2 on a machine without a GPU: what it makes of argument lists.

Importing Megatron takes ten seconds and needs patches to `typing` and torch, so one child process answers
for many argument lists: `ask_megatron`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Question(NamedTuple):
    """An argument list for `pretrain_gpt.py`, and the GPUs of the job."""

    arguments: list[str]
    world_size: int


class Answer(NamedTuple):
    """What Megatron says. `refusal` is its exception, or None.

    `before` and `after` are its `args` around `validate_args`; `config` holds fields of its TransformerConfig;
    `stages` the layers (counted from 0) of each chunk of each pipeline stage; `weight_and_optimizer_bytes` is the
    figure of `compute_weight_and_optimizer_memory` for the most loaded shard, `activation_bytes` that of
    `compute_activation_memory` for the first stage.
    """

    refusal: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    config: dict[str, Any]
    stages: list[list[list[int]]]
    micro_batches: int
    weight_and_optimizer_bytes: float
    activation_bytes: float


def ask_megatron(questions: Sequence[Question]) -> list[Answer]:
    """The answers to some questions, in order, from one child process."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "questions.json", Path(folder) / "answers.json"
        asked.write_text(json.dumps(questions))
        environment = {**os.environ, "RANK": "0", "LOCAL_RANK": "0", "CUDA_DEVICE_MAX_CONNECTIONS": "1"}
        child = subprocess.run(
            [sys.executable, __file__, str(asked), str(answered)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert child.returncode == 0, child.stderr[-4000:]
        return [Answer(**answer) for answer in json.loads(answered.read_text())]


def patch() -> None:
    """Stand-ins for what this machine lacks: Python 3.12's typing, a Hopper GPU, Transformer Engine."""
    import typing
    from types import SimpleNamespace

    import typing_extensions

    typing.override = typing_extensions.override  # type: ignore[attr-defined,unused-ignore]
    import torch

    torch.cuda.get_device_properties = lambda *_, **__: SimpleNamespace(major=9, minor=0)
    torch.cuda.get_device_capability = lambda *_, **__: (9, 0)
    from megatron.core.models.common.embeddings import rope_utils
    from megatron.core.transformer import transformer_config

    rope_utils.fused_apply_rotary_pos_emb = object()
    transformer_config.is_te_min_version = lambda *_, **__: True
    _build_the_parser_fast()


def _build_the_parser_fast() -> None:
    """Megatron reads its own sources for the help texts each time it builds its parser: 0.3 s a question."""
    from functools import cache

    from megatron.training.argument_utils import ArgumentGroupFactory

    texts = cache(lambda kind: _field_texts(ArgumentGroupFactory.__new__(ArgumentGroupFactory), kind))
    _field_texts = ArgumentGroupFactory._get_field_docstrings
    ArgumentGroupFactory._get_field_docstrings = lambda _, kind: texts(kind)


def _answer(arguments: list[str], world_size: int) -> dict[str, Any]:
    from megatron.training.argument_utils import core_transformer_config_from_args
    from megatron.training.arguments import parse_args, validate_args

    os.environ["WORLD_SIZE"] = str(world_size)
    sys.argv = ["pretrain_gpt.py", *arguments]
    try:
        args = parse_args()
        before = _plain(vars(args))
        validate_args(args)
        after = _plain(vars(args))
        config = core_transformer_config_from_args(args)
        _check_optimizer(args)
        return {
            "refusal": None,
            "before": before,
            "after": after,
            "config": _plain(vars(config)),
            "stages": _stages(config),
            "micro_batches": _micro_batches(args),
            "weight_and_optimizer_bytes": _weight_and_optimizer_bytes(args),
            "activation_bytes": _activation_bytes(args),
        }
    except (Exception, SystemExit) as error:
        return {**_NOTHING, "refusal": f"{type(error).__name__}: {error}"}


_NOTHING: dict[str, Any] = {
    "before": {}, "after": {}, "config": {}, "stages": [], "micro_batches": 0, "weight_and_optimizer_bytes": 0.0,
    "activation_bytes": 0.0,
}  # fmt: skip


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold: enums by name, other objects by their text."""
    simple = (bool, int, float, str, type(None))
    return {
        name: value if isinstance(value, simple) or _plain_list(value) else getattr(value, "name", str(value))
        for name, value in values.items()
    }


def _plain_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, bool | int | float | str) for each in value)


def _check_optimizer(args: Any) -> None:
    """Megatron's OptimizerConfig of the arguments; its narrow states need Transformer Engine, which is not here."""
    import dataclasses

    from megatron.core.optimizer import OptimizerConfig

    known = {
        field.name: getattr(args, field.name)
        for field in dataclasses.fields(OptimizerConfig)
        if hasattr(args, field.name)
    }
    try:
        OptimizerConfig(**known)
    except RuntimeError as error:
        if "TransformerEngine" not in str(error):
            raise


def _stages(config: Any) -> list[list[list[int]]]:
    from megatron.core import parallel_state
    from megatron.core.transformer.transformer_block import get_num_layers_to_build
    from megatron.core.transformer.transformer_layer import get_transformer_layer_offset

    virtual = config.virtual_pipeline_model_parallel_size
    parallel_state.set_virtual_pipeline_model_parallel_world_size(virtual)
    stages = []
    for stage in range(config.pipeline_model_parallel_size):
        parallel_state.set_pipeline_model_parallel_rank(stage)
        chunks = []
        for chunk in range(virtual or 1):
            vp_stage = chunk if virtual else None
            first = get_transformer_layer_offset(config, vp_stage, stage)
            chunks.append(list(range(first, first + get_num_layers_to_build(config, vp_stage, stage))))
        stages.append(chunks)
    return stages


def _micro_batches(args: Any) -> int:
    from megatron.core.num_microbatches_calculator import ConstantNumMicroBatchesCalculator

    calculator = ConstantNumMicroBatchesCalculator(
        args.global_batch_size, args.micro_batch_size, args.data_parallel_size, False, args.rank
    )
    return int(calculator.get())


def _weight_and_optimizer_bytes(args: Any) -> float:
    from megatron.training.theoretical_memory_usage import compute_weight_and_optimizer_memory

    return float(compute_weight_and_optimizer_memory(args))


def _activation_bytes(args: Any) -> float:
    from megatron.training.theoretical_memory_usage import compute_activation_memory

    return float(compute_activation_memory(args, _micro_batches(args)))


def _main(asked: str, answered: str) -> None:
    patch()
    answers = [_answer(*question) for question in json.loads(Path(asked).read_text())]
    Path(answered).write_text(json.dumps(answers))


if __name__ == "__main__":
    _main(*sys.argv[1:])
