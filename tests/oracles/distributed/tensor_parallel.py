"""Tensor parallelism by torch's `parallelize_module`, on the modules of transformers' Llama and its like.

Column-wise products up, row-wise products down, the vocabulary divided in the embedding, the head and the loss; under
sequence parallelism norms and residual stream hold a part of the sequence.
"""

from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)

from tests.oracles.distributed.case import Case, layers_of

COLUMNS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj")
ROWS = ("self_attn.o_proj", "mlp.down_proj")
NORMS = ("input_layernorm", "post_attention_layernorm")


def _layer_plan(layer: nn.Module, sequence: bool) -> dict[str, ParallelStyle]:
    stream = Shard(1) if sequence else Replicate()
    plan: dict[str, ParallelStyle] = {name: ColwiseParallel() for name in COLUMNS}
    plan |= {name: RowwiseParallel(output_layouts=stream) for name in ROWS}
    if sequence:
        plan |= {name: SequenceParallel() for name in NORMS}
        plan["self_attn"] = PrepareModuleInput(
            input_kwarg_layouts={"hidden_states": Shard(1)}, desired_input_kwarg_layouts={"hidden_states": Replicate()}
        )
        plan["mlp"] = PrepareModuleInput(input_layouts=Shard(1), desired_input_layouts=Replicate())
    present = dict(layer.named_modules())
    return {name: style for name, style in plan.items() if name in present}


def parallelize(model: Any, mesh: DeviceMesh, case: Case) -> None:
    """Divide a model over the tensor group; what was frozen stays so, norms included."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    sequence = case.sequence_parallel
    stream = Shard(1) if sequence else Replicate()
    ends: dict[str, ParallelStyle] = {
        "model.embed_tokens": RowwiseParallel(input_layouts=Replicate(), output_layouts=stream),
        "lm_head": ColwiseParallel(input_layouts=stream, output_layouts=Shard(-1), use_local_output=False),
    }
    if sequence:
        ends["model.norm"] = SequenceParallel()
    parallelize_module(model, mesh, ends)
    for layer in layers_of(model, case.num_hidden_layers):
        parallelize_module(layer, mesh, _layer_plan(layer, sequence))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    if model.config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight


def lengths(case: Case) -> dict[str, torch.Tensor]:
    """Positions and mask of the whole sequence, which the model cannot see from its part of it."""
    if not case.sequence_parallel:
        return {}
    size = case.sequence_length
    mask = torch.ones((1, 1, size, size), dtype=torch.bool).expand(case.micro_batch_size, 1, size, size)
    return {"position_ids": torch.zeros((1, size), dtype=torch.long), "attention_mask": mask.contiguous()}
