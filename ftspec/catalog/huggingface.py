"""A model's shape from a Hugging Face config.json."""

import json
from typing import NamedTuple

from ftspec.catalog.models import ModelRow
from ftspec.catalog.parameters import count_parameters
from ftspec.catalog.shape import ModelShape


class ConfigProblem(NamedTuple):
    """Why a config.json cannot be read as a model, and what to do about it."""

    message: str
    help: str


def read_config(path: str) -> ModelRow | ConfigProblem:
    """The model that a config.json describes."""
    try:
        with open(path, "rb") as file:
            config = json.load(file)
    except (OSError, ValueError) as error:
        return ConfigProblem(str(error), "give the path of a config.json")
    try:
        heads = config["num_attention_heads"]
        shape = ModelShape(
            num_hidden_layers=config["num_hidden_layers"],
            hidden_size=config["hidden_size"],
            intermediate_size=config["intermediate_size"],
            num_attention_heads=heads,
            num_key_value_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            vocab_size=config["vocab_size"],
            tie_word_embeddings=config.get("tie_word_embeddings", False),
            max_position_embeddings=config.get("max_position_embeddings", 2048),
        )
    except (KeyError, TypeError) as error:
        return ConfigProblem(f"lacks {error}", "give the model's own config.json")
    architecture = (config.get("architectures") or [""])[0]
    return ModelRow(path, "", architecture, config.get("model_type", ""), shape, count_parameters(shape), path, "file")
