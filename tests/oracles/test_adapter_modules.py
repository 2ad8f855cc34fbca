"""Where PEFT puts adapters, against what ftspec says that it does: the modules of real classes, and real PEFT."""

import re
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM
from transformers.initialization import no_init_weights
from transformers.pytorch_utils import Conv1D

from ftspec.catalog.models import ModelRow, find_model, model_ids
from ftspec.core.finding import Severity
from ftspec.memory.step.adapter_modules import class_modules, modules_of
from ftspec.pipeline import check_text
from ftspec.rules.example import job
from tests.oracles.transformers_models import TEXT_MODELS, transformers_config


def _of_every_kind() -> dict[str, ModelRow]:
    """One row for each class, and for each way in which its projections or its experts are made."""
    kinds: dict[tuple[object, ...], ModelRow] = {}
    for row in map(find_model, model_ids()):
        if isinstance(row, ModelRow):
            mla, moe = row.shape.mla, row.shape.moe
            kind = (row.model_type, mla is None or mla.q_lora_rank is None, moe is None, row.shape.word_embed_proj_dim)
            kinds.setdefault(kind, row)
    return {row.id: row for row in kinds.values()}


ROWS = _of_every_kind()


def _built(identity: str) -> Any:
    """The real model of a row of the catalog, without memory."""
    row = find_model(identity)
    assert isinstance(row, ModelRow)
    config = transformers_config(row)
    kind: Any = TEXT_MODELS.get(config.model_type, AutoModelForCausalLM.from_config)
    with torch.device("meta"), no_init_weights():
        return kind(config)


def _matrices(model: nn.Module) -> set[str]:
    names = (name for name, each in model.named_modules() if isinstance(each, nn.Linear | Conv1D | nn.Embedding))
    return {re.sub(r"\.\d+(?=\.)", ".#", name) for name in names}


@pytest.mark.parametrize("identity", sorted(ROWS))
def test_a_model_has_the_modules_that_are_told(identity: str) -> None:
    row, real = ROWS[identity], _matrices(_built(identity))
    if row.model_type in TEXT_MODELS:  # the decoder of a larger class, which has the head
        real = {f"model.{name}" for name in real} | {"lm_head"}
    told = set(modules_of(row.shape))
    assert real <= told
    assert not {path for path in told - real if "attn" in path or "attention" in path}


def test_every_class_is_told() -> None:
    assert set(class_modules()) == {row.model_type for row in ROWS.values()}


NOTHING = [
    ("meta-llama/Llama-3.2-1B", "query_key_value"),
    ("meta-llama/Llama-3.2-1B", "c_attn"),
    ("meta-llama/Llama-3.2-1B", "gate"),
    ("tiiuae/falcon-7b", "q_proj,v_proj"),
    ("microsoft/Phi-3-mini-4k-instruct", "q_proj"),
    ("deepseek-ai/DeepSeek-V2-Lite", "k_proj"),
    ("Qwen/Qwen3-30B-A3B", "gate_up_proj"),
    ("Qwen/Qwen3-30B-A3B", "gate_proj"),
]
SOMETHING = [
    ("meta-llama/Llama-3.2-1B", "self_attn.q_proj"),
    ("meta-llama/Llama-3.2-1B", "q_proj,lm_head"),
    ("meta-llama/Llama-3.2-1B", "q_proj,v_prj"),
    ("meta-llama/Llama-3.2-1B", "model.layers.3.self_attn.q_proj"),
    ("bigscience/bloom-560m", "query_key_value"),
    ("openai-community/gpt2-large", "attn.c_proj"),
    ("Qwen/Qwen3-30B-A3B", "gate_proj,up_proj"),
]


def _refused(identity: str, targets: str) -> bool:
    listed = ", ".join(f'"{each}"' for each in targets.split(","))
    training = f"stack = ddp  method = lora {{ rank = 8  targets = [{listed}] }}"
    found = check_text(job(model=f'from = "{identity}"', training=training), "job.ft").findings
    return any(each.severity is Severity.ERROR and each.code in ("FT360", "FT367") for each in found)


@pytest.mark.parametrize(("identity", "targets"), NOTHING)
def test_what_peft_refuses(identity: str, targets: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=r"not found in the base model|Cannot convert"):
        get_peft_model(_built(identity), LoraConfig(r=8, target_modules=targets.split(",")))
    assert _refused(identity, targets)


@pytest.mark.parametrize(("identity", "targets"), SOMETHING)
def test_what_peft_takes(identity: str, targets: str) -> None:
    with torch.device("meta"):
        get_peft_model(_built(identity), LoraConfig(r=8, target_modules=targets.split(",")))
    assert not _refused(identity, targets)
