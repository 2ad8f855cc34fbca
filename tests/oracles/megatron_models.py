"""How many parameters Megatron's own GPTModel has for an argument list, built on the meta device."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.oracles.megatron_oracle import patch

WITHOUT_TRANSFORMER_ENGINE = (
    "--transformer-impl", "local", "--no-rope-fusion", "--no-persist-layer-norm", "--no-gradient-accumulation-fusion",
    "--use-cpu-initialization",
)  # fmt: skip
"""The same model from Megatron's own modules, which need neither a GPU nor Transformer Engine."""


def count_megatron_parameters(argument_lists: Sequence[list[str]]) -> list[int | str]:
    """The parameters of each model on one GPU, or what Megatron says against it; from one child process."""
    counts: list[int | str] = ask_child("tests.oracles.megatron_models", argument_lists)
    return counts


def ask_child(module: str, argument_lists: Sequence[list[str]]) -> Any:
    """What a module of this folder answers about argument lists, from one child process on one GPU's place."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "asked.json", Path(folder) / "answered.json"
        asked.write_text(json.dumps(argument_lists))
        environment = {
            **os.environ, "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "CUDA_DEVICE_MAX_CONNECTIONS": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }  # fmt: skip
        command = [sys.executable, "-m", module, str(asked), str(answered)]
        child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert child.returncode == 0, child.stderr[-4000:]
        return json.loads(answered.read_text())


def prepare(folder: Path) -> None:
    """A process group of one, and stand-ins for the calls that would touch a GPU."""
    patch()
    import torch
    from megatron.core import parallel_state
    from megatron.core.transformer import dot_product_attention

    torch.cuda.Stream = lambda *_, **__: None
    torch.cuda.current_device = lambda: torch.device("cpu")
    _let_attention_have_value_widths(dot_product_attention.DotProductAttention)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=0, world_size=1)
    parallel_state.initialize_model_parallel()


def _let_attention_have_value_widths(attention: Any) -> None:
    """Megatron's own attention does not know the widths that latent attention passes; it holds no parameters."""
    build = attention.__init__

    def built(self: Any, *values: Any, k_channels: int = 0, v_channels: int = 0, **named: Any) -> None:
        build(self, *values, **named)

    attention.__init__ = built


def build_model(arguments: list[str]) -> Any:
    """Megatron's model of an argument list, on the meta device, from the config that pretrain_gpt.py makes of it.

    Raises whatever Megatron raises against the arguments. `prepare` must have run.
    """
    import torch
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_decoder_block_spec
    from megatron.training.argument_utils import core_transformer_config_from_args, gpt_config_from_args
    from megatron.training.arguments import parse_args, validate_args

    sys.argv = ["pretrain_gpt.py", *arguments, *WITHOUT_TRANSFORMER_ENGINE]
    args: Any = parse_args()
    validate_args(args)
    config = core_transformer_config_from_args(args)
    config.perform_initialization = False
    wanted = gpt_config_from_args(args, config)
    with torch.device("meta"):
        return GPTModel(
            config=config,
            transformer_layer_spec=get_gpt_decoder_block_spec(
                config, use_transformer_engine=False, normalization=args.normalization
            ),
            vocab_size=wanted.vocab_size,
            max_sequence_length=wanted.seq_length,
            position_embedding_type=wanted.position_embedding_type,
            rotary_percent=wanted.rotary_percent,
            rotary_base=wanted.rotary_base,
            rope_scaling=wanted.rope_scaling,
            rope_scaling_factor=wanted.rope_scaling_factor,
            seq_len_interpolation_factor=wanted.seq_len_interpolation_factor,
            share_embeddings_and_output_weights=wanted.share_embeddings_and_output_weights,
        )


def _count(arguments: list[str]) -> int | str:
    try:
        model = build_model(arguments)
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return sum(parameter.numel() for parameter in model.parameters())


def _main(asked: str, answered: str) -> None:
    prepare(Path(answered).parent)
    counts = [_count(arguments) for arguments in json.loads(Path(asked).read_text())]
    Path(answered).write_text(json.dumps(counts))


if __name__ == "__main__":
    _main(*sys.argv[1:])
