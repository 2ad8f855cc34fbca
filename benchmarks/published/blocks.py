"""A row's configuration in the words of a spec: only what the row states, so that ftspec's defaults do the rest."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.published.text import Blocks, Word

Row = dict[str, Any]
"""A row of published measurements; its fields are described in the reference data."""


@cache
def names() -> dict[str, Any]:
    """What rows call things, and what ftspec calls them."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("names.json").read_text(encoding="utf-8"))
    return found


def _model(row: Row) -> dict[str, Any]:
    name = row["model_id"]
    if name in names()["models"]:
        dense = row.get("dense_layers")
        return {
            "from": names()["models"][name],
            "num_hidden_layers": row["layers"] if name.endswith("L") else None,
            "moe": {"first_k_dense_replace": dense} if dense else None,
        }
    return {
        "num_hidden_layers": row["layers"],
        "hidden_size": row["hidden"],
        "intermediate_size": row["ffn"],
        "num_attention_heads": row["heads"],
        "num_key_value_heads": row.get("kv_heads"),
        "head_dim": row.get("head_dim"),
        "vocab_size": row["vocab"],
        "mlp": Word("plain") if name.startswith(tuple(names()["plain"])) else None,
        "tie_word_embeddings": True if name.startswith(tuple(names()["tied"])) else None,
    }


def accelerator(row: Row) -> str:
    """The catalog's id of the row's accelerator; 80 GB where the row does not say which."""
    said = str(row.get("gpu") or "80 GB GPU").partition(" (")[0]
    known = names()["accelerators"]
    if said in known:
        return str(known[said])
    return said.removesuffix("GB").rpartition(" ")[0].replace(" ", "-") if " " in said else said


def _hardware(row: Row) -> dict[str, Any]:
    gpus = row["num_gpus"]
    per_node = min(row.get("gpus_per_node") or 8, gpus)
    per_node = gpus if gpus % per_node else per_node
    return {"gpu": accelerator(row), "nodes": gpus // per_node, "gpus_per_node": per_node}


def method(row: Row, adapter_dtype: str | None = None) -> Word:
    """`method = …`."""
    if row["method"] not in ("lora", "qlora"):
        return Word("full")
    targets = names()["targets"].get(row.get("lora_targets"), "all_linear")
    quantization = str(row.get("quantization") or "none")
    settings = {
        "rank": row.get("lora_rank"),
        "alpha": row.get("lora_alpha"),
        "dropout": row.get("lora_dropout"),
        "targets": Word(targets) if isinstance(targets, str) else targets,
        "adapter_dtype": Word(adapter_dtype) if adapter_dtype else None,
    }
    if quantization.startswith("nf4"):
        settings |= {"quantization": Word("nf4"), "double_quantization": "dq" in quantization}
    written = {key: value for key, value in settings.items() if value is not None}
    return Word("qlora" if "quantization" in settings else "lora", written)


def _checkpointing(row: Row) -> Word:
    said = str(row.get("recompute") or ("full" if row.get("gradient_checkpointing") else "none"))
    return Word(said.partition(" ")[0])


def _training(row: Row, stack: str, adapter_dtype: str | None) -> dict[str, Any]:
    attention = str(row.get("attention") or "")
    kernels = [word for word in ("flash", "sdpa", "eager") if word in attention]
    accumulation = row.get("grad_accum")
    return {
        "stack": Word(stack),
        "method": method(row, adapter_dtype),
        "sequence_length": row.get("seq"),
        "micro_batch_size": row.get("micro_batch_size"),
        "gradient_accumulation_steps": accumulation,
        "global_batch_size": None if accumulation else row.get("global_batch_size"),
        "activation_checkpointing": _checkpointing(row),
        "attention": Word(kernels[0]) if kernels else None,
        "optimizer": Word("adamw_8bit") if "8-bit" in str(row.get("optimizer")) else None,
    }


def _offload(row: Row) -> dict[str, Any] | None:
    moved = {"optimizer": row.get("optimizer_offload"), "parameters": row.get("param_offload")}
    return {key: Word("cpu") for key, value in moved.items() if value} or None


def blocks_of(row: Row, stack: str, adapter_dtype: str | None = None) -> Blocks:
    """The row as blocks of a spec of one stack."""
    precision = str(row.get("precision") or "bf16")
    compute = next((word for word in ("fp8", "fp16", "bf16") if word in precision), "bf16")
    return {
        "model": _model(row),
        "hardware": _hardware(row),
        "precision": {"compute": Word(compute)},
        "training": _training(row, stack, adapter_dtype),
        "parallelism": {
            "tensor": row.get("tensor_parallel"),
            "pipeline": row.get("pipeline_parallel"),
            "context": row.get("context_parallel"),
            "expert": row.get("expert_parallel"),
            "zero_stage": None if stack == "ddp" else row.get("zero_stage"),
            "sequence_parallel": row.get("sequence_parallel"),
            "offload": _offload(row),
        },
    }
