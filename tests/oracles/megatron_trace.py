"""Exact memory of steps of the real Megatron-Core, on shapes alone: no GPU and none of its memory.

The arguments that ftspec emits for a plan become Megatron's model over Transformer Engine's modules, its distributed
data-parallel buffers, its pipeline schedule and its optimizer, under torch's FakeTensorMode with a process group of the
backend `fake`: this process is one rank of a job of any size. MemTracker counts the bytes alive after every operation.
What needs a GPU stands in for itself by making its outputs (`transformer_engine_kernels`).

    python -m tests.oracles.megatron_trace    writes tests/memory/megatron_traces.json anew
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.memory.megatron_cases import Case, as_row, case_plan, cases
from tests.oracles import transformer_engine_kernels
from tests.oracles.megatron_machine import prepare
from tests.oracles.step_trace import without_collection

GOLDEN = Path(__file__).resolve().parents[1] / "memory" / "megatron_traces.json"


def arguments_of(case: Case) -> list[str]:
    """The tokens that ftspec emits for a case."""
    from ftspec.backends.megatron.argument import tokens
    from ftspec.backends.megatron.compilation import planned_arguments, with_raw
    from ftspec.backends.megatron.options import MegatronOptions

    arguments = with_raw(planned_arguments(case_plan(case), MegatronOptions()), dict(case.raw))
    return [token for argument in arguments for token in tokens(argument)]


def _parsed(case: Case) -> Any:
    from megatron.training.arguments import parse_args, validate_args

    os.environ.update(RANK="0", LOCAL_RANK="0", WORLD_SIZE=str(case.world_size), CUDA_DEVICE_MAX_CONNECTIONS="1")
    sys.argv = ["pretrain_gpt.py", *arguments_of(case), "--use-cpu-initialization"]
    with contextlib.redirect_stdout(io.StringIO()):
        args: Any = parse_args()
        validate_args(args)
    return args


@contextmanager
def _job(case: Case, args: Any) -> Iterator[None]:
    """This process as one rank of a job."""
    from megatron.core import parallel_state
    from torch import distributed
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", store=FakeStore(), rank=case.rank, world_size=case.world_size)
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=args.tensor_model_parallel_size,
        pipeline_model_parallel_size=args.pipeline_model_parallel_size,
        virtual_pipeline_model_parallel_size=args.virtual_pipeline_model_parallel_size,
        context_parallel_size=args.context_parallel_size,
        hierarchical_context_parallel_sizes=args.hierarchical_context_parallel_sizes,
        expert_model_parallel_size=args.expert_model_parallel_size,
        expert_tensor_parallel_size=args.expert_tensor_parallel_size,
        create_gloo_process_groups=False,
    )
    try:
        yield
    finally:
        parallel_state.destroy_model_parallel()
        distributed.destroy_process_group()


def _chunk(args: Any, config: Any, number: int | None) -> Any:
    from megatron.core import parallel_state
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_decoder_block_spec
    from megatron.core.transformer.module import Float16Module
    from megatron.training.argument_utils import gpt_config_from_args

    wanted = gpt_config_from_args(args, config)
    model = GPTModel(
        config=config,
        transformer_layer_spec=get_gpt_decoder_block_spec(
            config, use_transformer_engine=True, normalization=args.normalization, vp_stage=number
        ),
        vocab_size=wanted.vocab_size,
        max_sequence_length=wanted.seq_length,
        pre_process=parallel_state.is_pipeline_first_stage(ignore_virtual=False, vp_stage=number),
        post_process=parallel_state.is_pipeline_last_stage(ignore_virtual=False, vp_stage=number),
        position_embedding_type=wanted.position_embedding_type,
        rotary_base=wanted.rotary_base,
        share_embeddings_and_output_weights=wanted.share_embeddings_and_output_weights,
        vp_stage=number,
    )
    model.bfloat16 = lambda: model  # made in bf16 already, and fake tensors cannot be swapped
    return Float16Module(config, model)


class _Buffers(list[Any]):
    """Megatron's list of gradient buffers, which hides `Module.buffers()` from those who call it."""

    def __call__(self) -> Iterator[Any]:
        return iter(())


def _chunks(args: Any, config: Any) -> list[Any]:
    """The rank's chunks of the model, wrapped as `get_model` of megatron/training/training.py wraps them."""
    import torch
    from megatron.training.training import get_megatron_ddp_config, wrap_model_chunks_with_ddp

    virtual = args.virtual_pipeline_model_parallel_size
    available, torch.cuda.is_available = torch.cuda.is_available, lambda: True
    made = [_chunk(args, config, number if virtual else None) for number in range(virtual or 1)]
    torch.cuda.is_available = available
    wrapped = list(wrap_model_chunks_with_ddp(made, config, get_megatron_ddp_config(args)))
    for chunk in wrapped:
        chunk.buffers = _Buffers(chunk.buffers)
    return wrapped


def _optimizer(args: Any, chunks: list[Any]) -> Any:
    """Megatron's optimizer; no clipping, which would look at values."""
    from megatron.core.optimizer import get_megatron_optimizer
    from megatron.training.training import get_megatron_optimizer_config

    config, overrides = get_megatron_optimizer_config(args)
    config.clip_grad = 0.0
    return get_megatron_optimizer(config, chunks, config_overrides=overrides, use_gloo_process_groups=False)


def _batch(case: Case) -> dict[str, Any]:
    """What a data loader gives a stage that reads a batch; the others get no mask."""
    import torch

    positions, ends = case.sequence_length // case.context, case.stage in (0, case.pipeline - 1)
    size, pairs = (case.micro_batch_size, positions), (case.micro_batch_size, 1, positions, case.sequence_length)
    return {
        "ids": torch.zeros(size, dtype=torch.long),
        "positions": torch.zeros(size, dtype=torch.long),
        "mask": torch.ones(size),
        "attention_mask": torch.ones(pairs, dtype=torch.bool) if ends else None,
    }


def _forward_step(batch: dict[str, Any]) -> Any:
    """`forward_step` and `loss_func` of pretrain_gpt.py without what they log."""
    import torch

    def loss_of(losses: Any) -> Any:
        flat, mask = losses.view(-1).float(), batch["mask"].view(-1).float()
        return (flat * mask).sum(), mask.sum().to(torch.int), {}

    def step(_: Any, model: Any) -> Any:
        return model(batch["ids"], batch["positions"], batch["attention_mask"], labels=batch["ids"]), loss_of

    return step


def _step(case: Case, chunks: list[Any], optimizer: Any, batch: dict[str, Any]) -> None:
    """`train_step` of megatron/training/training.py."""
    from megatron.core.pipeline_parallel import get_forward_backward_func

    for chunk in chunks:
        chunk.zero_grad_buffer()
    optimizer.zero_grad()
    get_forward_backward_func()(
        forward_step_func=_forward_step(batch),
        data_iterator=[None] * len(chunks),
        model=chunks,
        num_microbatches=case.micro_batches,
        seq_length=case.sequence_length,
        micro_batch_size=case.micro_batch_size,
    )
    optimizer.step()


def _tracker() -> Any:
    """Bytes alive of the whole step; nothing of each module, which would allow each to run once."""
    from torch.distributed._tools.mem_tracker import MemTracker

    class Modules:
        is_bw = False

        def register_user_hooks(self, *_: Any) -> None: ...

        def clear_user_hooks(self) -> None: ...

        def __enter__(self) -> None: ...

        def __exit__(self, *_: Any) -> None: ...

    tracker: Any = MemTracker()
    tracker._mod_tracker = Modules()
    return tracker


def trace(case: Case) -> dict[str, int]:
    """Bytes at the peak of the second step, when the optimizer's states exist: in all, and of parameters, optimizer
    states (master copy included) and gradient buffers. `prepare` must have run.
    """
    import torch
    from megatron.training.argument_utils import core_transformer_config_from_args
    from torch._subclasses.fake_tensor import FakeTensorMode

    args = _parsed(case)
    transformer_engine_kernels.forget()
    config = core_transformer_config_from_args(args)
    config.perform_initialization = False
    with _job(case, args), FakeTensorMode(allow_non_fake_inputs=True):
        chunks, batch, tracker = _chunks(args, config), _batch(case), _tracker()
        buffers = [buffer.grad_data for chunk in chunks for buffer in (*chunk.buffers, *chunk.expert_parallel_buffers)]
        tracker.track_external(*(chunk.module for chunk in chunks), *buffers)
        tracker.track_external(*(each for each in batch.values() if each is not None))
        optimizer = _optimizer(args, chunks)
        with tracker, without_collection():
            _step(case, chunks, optimizer, batch)
            _step(case, chunks, optimizer, batch)
        found = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]
    peak = {str(getattr(name, "value", name)): count for name, count in found.items()}
    gradients = sum(buffer.numel() * buffer.element_size() for buffer in buffers)
    return {
        "peak": peak["Total"],
        "parameters": peak["Parameter"],
        "states": peak["Optstate"],
        "gradients": gradients,
    }


def main() -> None:
    """Trace every case anew, a row a line."""
    prepare()
    import megatron.core
    import torch

    about = (
        f"Exact bytes at the peak of one rank's step by tests/oracles/megatron_trace.py, torch {torch.__version__}, "
        f"megatron-core {megatron.core.__version__}, Transformer Engine 2.20.2 over stand-ins for its kernels"
    )
    rows = [json.dumps({"case": as_row(case), **trace(case)}) for case in cases()]
    GOLDEN.write_text(f'{{"about": {json.dumps(about)}, "rows": [\n' + ",\n".join(rows) + "\n]}\n")


if __name__ == "__main__":
    main()
