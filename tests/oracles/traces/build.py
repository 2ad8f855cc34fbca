"""The model of a case, in the mode of the caller."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from ftspec.catalog.models import ModelRow, find_model
from ftspec.catalog.shape import ModelShape
from tests.oracles.traces.adapters import adapted
from tests.oracles.traces.case import Case
from tests.oracles.traces.four_bit import pack
from tests.oracles.transformers_models import transformers_config


def _cut(shape: ModelShape, layers: int) -> ModelShape:
    """The shape with so many layers, the first kinds of its pattern."""
    return replace(shape, num_hidden_layers=layers, layer_types=shape.layer_types[:layers])


def _config(case: Case) -> Any:
    row = find_model(case.model)
    assert isinstance(row, ModelRow), case.model
    shape = _cut(row.shape, case.num_hidden_layers)
    if shape.position == "learned":
        shape = replace(shape, max_position_embeddings=max(shape.max_position_embeddings, case.sequence_length))
    if case.vocab_size:
        shape = replace(shape, vocab_size=case.vocab_size)
    config = transformers_config(replace(row, shape=shape))
    config._attn_implementation, config.use_cache = case.attention, False
    if shape.mla is not None:
        config.head_dim = shape.mla.qk_rope_head_dim
        config.rope_parameters = {**config.rope_parameters, "partial_rotary_factor": 1.0}
    if shape.moe is not None:
        config._experts_implementation = "grouped_mm"
    return config


def _train_the_last(model: Any, case: Case) -> None:
    """Freeze all but the last layers, and the ends as the case says."""
    model.requires_grad_(False)
    base = model.base_model
    layers = next(module for module in base.modules() if isinstance(module, nn.ModuleList))
    trained = list(layers[len(layers) - case.last_layers :])
    if case.head:
        later = [child for child in base.children() if "norm" in type(child).__name__.lower()]
        trained += [model.get_output_embeddings(), *later]
    if case.embeddings:
        trained.append(model.get_input_embeddings())
    for module in trained:
        module.requires_grad_(True)


def build(case: Case) -> Any:
    """The model, ready to train."""
    torch.set_default_dtype(torch.bfloat16 if case.dtype == "bf16" else torch.float32)
    try:
        model = AutoModelForCausalLM.from_config(_config(case))
    finally:
        torch.set_default_dtype(torch.float32)
    if case.activation_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if case.method != "full":
            model.enable_input_require_grads()
    if case.method == "qlora":
        pack(model, case.double_quantization)
    if case.method in ("lora", "qlora"):
        model = adapted(model, case)
    if case.method == "partial":
        _train_the_last(model, case)
    return model.train()
