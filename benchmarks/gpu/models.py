"""The real model and optimizer of a case, with random weights: nothing is downloaded.

PEFT adds adapters in fp32. With qlora every linear layer but the head is bitsandbytes' `Linear4bit` (nf4, double
quantization); what is not packed stays in bf16.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from benchmarks.gpu.case import LORA_RANK, TRAINED_LAYERS, Case
from ftspec.catalog.models import ModelRow, find_model


def build(case: Case, device: str) -> Any:
    """The model in training mode on the device."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_default_dtype(torch.bfloat16 if case.dtype == "bf16" else torch.float32)
    try:
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(_config(case))
    finally:
        torch.set_default_dtype(torch.float32)
    if case.activation_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if case.method != "full":
            model.enable_input_require_grads()
    return _trained(model, case).train()


def _config(case: Case) -> Any:
    from tests.oracles.transformers_models import transformers_config

    row = find_model(case.model)
    assert isinstance(row, ModelRow), case.model
    config = transformers_config(replace(row, shape=replace(row.shape, num_hidden_layers=case.num_hidden_layers)))
    config._attn_implementation = "flash_attention_2" if case.attention == "flash" else case.attention
    config.use_cache = False
    if row.shape.moe is not None:
        config._experts_implementation = "grouped_mm"
    return config


def _trained(model: Any, case: Case) -> Any:
    if case.method == "full":
        return model
    if case.method == "partial":
        model.requires_grad_(False)
        base = model.base_model
        (layers,) = (child for child in base.children() if type(child).__name__ == "ModuleList")
        layers[-TRAINED_LAYERS:].requires_grad_(True)
        return model
    from peft import LoraConfig, get_peft_model

    if case.method == "qlora":
        _pack(model)
    config = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, lora_dropout=0.0, target_modules="all-linear")
    return get_peft_model(model, config)


def _pack(model: Any) -> None:
    """Quantize each linear layer but the head, where it lies."""
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit

    linear = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    for name, module in linear:
        if module is model.get_output_embeddings():
            continue
        weight, owner = module.weight, model.get_submodule(name.rpartition(".")[0])
        packed = Linear4bit(
            module.in_features, module.out_features, bias=False, compute_dtype=torch.bfloat16, device="meta"
        )
        made = Params4bit(weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True)
        packed.weight = made.to(weight.device)
        packed.bias = module.bias
        setattr(owner, name.rpartition(".")[2], packed)


def optimizer(case: Case, model: Any) -> Any:
    """The optimizer over what is trained. Raises ImportError where its package is missing."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return _OPTIMIZERS[case.optimizer](trained, case)


def _adamw(trained: Iterable[Any], case: Case) -> Any:
    import torch

    return torch.optim.AdamW(trained, lr=1e-5, fused=case.fused)


def _sgd(trained: Iterable[Any], case: Case) -> Any:
    import torch

    return torch.optim.SGD(trained, lr=1e-5, momentum=0.9, fused=case.fused)


def _adamw_8bit(trained: Iterable[Any], _: Case) -> Any:
    from bitsandbytes.optim import AdamW8bit

    return AdamW8bit(trained, lr=1e-5)


def _lion(trained: Iterable[Any], _: Case) -> Any:
    from bitsandbytes.optim import Lion

    return Lion(trained, lr=1e-6)


def _adafactor(trained: Iterable[Any], _: Case) -> Any:
    from transformers.optimization import Adafactor

    return Adafactor(trained, lr=1e-5, scale_parameter=False, relative_step=False)


def _muon(trained: Iterable[Any], _: Case) -> Any:
    """torch's Muon takes matrices alone: here all of them, embeddings too; AdamW takes the vectors."""
    import torch

    weights = list(trained)
    matrices = [weight for weight in weights if weight.ndim == 2]
    vectors = [weight for weight in weights if weight.ndim != 2]
    muon = torch.optim.Muon(matrices, lr=1e-5)
    return _Both(muon, torch.optim.AdamW(vectors, lr=1e-5, fused=True)) if vectors else muon


class _Both:
    """Two optimizers that step together."""

    def __init__(self, *optimizers: Any) -> None:
        self.optimizers = optimizers

    def step(self) -> None:
        """Step both."""
        for each in self.optimizers:
            each.step()

    def zero_grad(self) -> None:
        """Drop the gradients of both."""
        for each in self.optimizers:
            each.zero_grad()


_OPTIMIZERS: dict[str, Callable[[Iterable[Any], Case], Any]] = {
    "adamw": _adamw,
    "sgd": _sgd,
    "adamw_8bit": _adamw_8bit,
    "adafactor": _adafactor,
    "lion": _lion,
    "muon": _muon,
}
